"""What has to be looked at again and again, whatever happened the last time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from hogline.store.base import Unusable, Unwritable

log = structlog.get_logger("hogline.store")


async def in_turns(work: Callable[[], Awaitable[None]], every_s: float, what: str) -> None:
    """Do it every so often, until it is cancelled. `what`: as the log calls it."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except Unwritable:
            pass  # told elsewhere
        except Unusable as trouble:
            log.warning("a turn failed", of=what, reason=str(trouble))
        except Exception as error:
            # Without the next turn, nobody would notice what others change. The text may quote an event.
            log.error("a turn failed", of=what, error=type(error).__name__)  # noqa: TRY400  # the kind says it
