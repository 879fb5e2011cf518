"""Offers something to the journal until it takes it. Knows neither what it is nor where it comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from hogline.clock import Clock
from hogline.store.base import Unwritable

T = TypeVar("T")


class Waits(Protocol):
    waits: str | None
    """Why nothing is taken just now."""


async def until_written(write: Callable[[], Coroutine[Any, Any, T]], whose: Waits, clock: Clock) -> T:
    """What `write` returns. As long as it raises `Unwritable`, it is called again; `whose` then says why. If this is
    cancelled, it ends when the write is over, so that what comes next knows whether the journal took it.
    """
    while True:
        writing = asyncio.ensure_future(write())
        try:
            written = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise
        except Unwritable as trouble:
            whose.waits = str(trouble)
            await clock.sleep(trouble.retry_after_s)
        else:
            whose.waits = None
            return written
