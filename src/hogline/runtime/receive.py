"""Receiving beside the process that owns the store: events go from here straight into the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from hogline.clock import SystemClock
from hogline.runtime.beside import running, told_when
from hogline.runtime.housekeeping import too_many_pending
from hogline.runtime.inlet import inlet
from hogline.runtime.listening import receives, watched
from hogline.service.core import Addresses
from hogline.settings import Settings
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections, raise_file_limit, shares
from hogline.sources.http import create_app, create_watching
from hogline.sources.seen import SeenUuids
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Unwritable
from hogline.store.opening import receiver
from hogline.store.shared import Receiver, Shared
from hogline.telemetry.metrics import Metrics
from hogline.views.connections import Status

log = structlog.get_logger("hogline")


@asynccontextmanager
async def receiving(settings: Settings, shared: Shared, key: str, lost: Callable[[], None]) -> AsyncIterator[Addresses]:
    """Receive as long as the context lasts. `lost` is called if this process has to end. Raises `CannotDo`."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(receiver(shared, key, clock.time_ms, settings.journal))
        topic = await inlet(stack, settings)
        tokens = TokenCheck(())
        known: list[str] = []

        def accept(private: Sequence[str], public: Sequence[str]) -> None:
            known[:] = [*private, *public]
            tokens.replace(private, public)

        await store.look(accept)
        if not known:
            log.warning("no token is known yet: start `hogline serve --only deliver`")

        async def problems() -> list[str]:
            trouble = (topic or store.journal).trouble
            no_tokens = [] if known else ["There are no tokens yet: start `hogline serve --only deliver`."]
            return [*([trouble] if trouble else []), *no_tokens]

        await stack.enter_async_context(running(store.follow(accept)))
        most = settings.journal_max_bytes + settings.journal_retention_bytes
        # What came twice is noticed where events leave Kafka.
        budget, seen = Budget(), SeenUuids(store.journal if topic is None else None)
        app = create_app(
            topic or _Entrance(store, most),
            tokens,
            problems,
            clock.time_ms,
            suppressed=store.suppressed,
            budget=budget,
            seen=seen,
        )
        with suppress(Unwritable):  # the first sender is told
            await seen.load()
        for_events, for_others = shares(raise_file_limit())
        addresses = Addresses(settings.public_url)
        where = await receives(stack, app, settings, Connections(for_events), budget)
        store.listens(where)
        addresses.receives = addresses.receives or where
        if settings.metrics:
            metrics = Metrics({}, clock.now_s)
            watching = create_watching(problems, lambda: metrics.page(_nothing_delivered))
            addresses.watched = await watched(stack, watching, settings, Connections(for_others))
        await stack.enter_async_context(running(told_when(store.lost, lost)))
        yield addresses


class _Entrance:
    """The journal's `append`, while not too many events wait."""

    def __init__(self, store: Receiver, most_bytes: int) -> None:
        """`most_bytes`: more are not kept even if nobody owns the store and says so."""
        self._store = store
        self._most_bytes = most_bytes

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        if self._store.is_full or self._store.bytes > self._most_bytes:
            raise too_many_pending()
        return await self._store.journal.append(events, refused)


async def _nothing_delivered() -> Status:
    """The owner of the store says what happened to events."""
    return Status(connections=[], refused={})
