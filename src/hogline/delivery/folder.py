"""The folder: journal → Known. There is one for the project, ahead of all connections. Once a second it writes what
changed, and how far it is. After a crash it continues from there, with the same result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from hogline.clock import Clock
from hogline.core.fold import Fold
from hogline.core.known import Known
from hogline.core.sheet_writer import SheetWriter
from hogline.core.sheets import Portion
from hogline.delivery.window import Received, Window, received_after
from hogline.destinations.base import DEFAULT_LEARNING, Learning
from hogline.posthog.entry import Entry
from hogline.store.base import Journal, State, Unwritable
from hogline.store.forgetting import Expired
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.delivery")

READ = 1_000
FLUSH_S = 1.0
FLUSH_FOR_OTHERS_S = 0.1
"""If others wait for it."""
MOST_SEEN = 200_000
"""How many ids are remembered in memory as seen today."""
_DAY_MS = 86_400_000
LOOK_AGAIN_S = 5.0
"""After the disk could not be read."""


class DaysSeen:
    """The day on which events of an id were received, as far as it still has to be written: once a day for each id."""

    def __init__(self) -> None:
        self.new: dict[str, int] = {}
        self._written: set[str] = set()
        self._day = 0
        """The day of those that are written."""

    def note(self, entries: Iterable[Entry]) -> None:
        new, written, day = self.new, self._written, self._day
        for entry in entries:
            who = entry.distinct_id
            if who not in written or entry.received_ms // _DAY_MS > day:
                new[who] = entry.received_ms // _DAY_MS

    def written(self, days: Mapping[str, int]) -> None:
        """These are on disk."""
        newest = max(days.values(), default=self._day)
        if newest != self._day or len(self._written) > MOST_SEEN:
            self._written, self._day = set(), newest
        self._written.update(who for who, day in days.items() if day == newest)
        self.new = {who: day for who, day in self.new.items() if days.get(who) != day}


class Folder:
    """Created when Hogline starts, and again whenever someone was forgotten."""

    def __init__(
        self,
        journal: Journal,
        state: State,
        clock: Clock,
        *,
        learning: Learning = DEFAULT_LEARNING,
        retains: bool = False,
        spreads: bool = False,
    ) -> None:
        """`retains`: inactive people are removed, so the day of each id is written. `spreads`: other processes may
        deliver, too, so each event's lane is written."""
        self._journal = journal
        self._state = state
        self._clock = clock
        self.known = Known(state, state.folded())
        self._fold = Fold(self.known, suppressed=state.suppressed, learning=learning)
        self._troubles: dict[str, str] = {}
        self._must = journal.end
        self._grown = asyncio.Event()
        self._flushed = self.known.folded
        self._seen: DaysSeen | None = DaysSeen() if retains else None
        self._sheets: SheetWriter | None = SheetWriter(self.known) if spreads else None
        self._flushing = asyncio.Lock()
        self._stepping = asyncio.Lock()
        self._window = Window(journal, self.known.folded + 1)
        self.shared = False
        """Others deliver, too: connections get an event only when what it taught is on disk."""
        self._task: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing can be folded or written, in a sentence; None: all is well."""
        return next(iter(self._troubles.values()), None)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="folder")

    async def close(self) -> None:
        """Returns when everything folded is on disk, if the disk accepts it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        try:
            await self.flush()
        except Unwritable as trouble:
            log.warning("what is known could not be written", reason=str(trouble))

    async def learn(self, learning: Learning) -> None:
        """What has to be known from now on."""
        if learning != self._fold.learning:
            await self.flush()
            self._fold.learning = learning

    # folding

    async def _run(self) -> None:
        await asyncio.gather(self._ever(self._fold_next), self._ever(self._flush_next))

    async def _ever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Step by step, until it is cancelled. Errors are retried, because nothing is delivered without this."""
        name = step.__name__
        while True:
            try:
                await step()
            except Unwritable as trouble:
                self._troubles[name] = str(trouble)
                await self._clock.sleep(LOOK_AGAIN_S)
            except Exception as error:
                # The error's text may quote an event. Its kind and place are enough to find it.
                place = kind_and_place(error)
                self._troubles[name] = f"Internal error while reading events ({place}). Please report this bug."
                log.error("delivery waits: internal error while reading events", error=place)  # noqa: TRY400
                await self._clock.sleep(LOOK_AGAIN_S)
            else:
                self._troubles.pop(name, None)
            await asyncio.sleep(0)

    async def _fold_next(self) -> None:
        await self._journal.wait(self.known.folded)
        await self.step()

    async def _flush_next(self) -> None:
        while self.known.folded == self._flushed:
            await self._grown.wait()
        await self._clock.sleep(FLUSH_FOR_OTHERS_S if self.shared else FLUSH_S)
        await self.flush()

    async def step(self) -> bool:
        """Fold the next events of the journal; False if there are none."""
        async with self._stepping:
            return await self._step()

    async def catch_up(self) -> None:
        """Returns when everything in the journal is folded, and on disk."""
        end = self._journal.end
        while self.known.folded < end and await self.step():
            pass
        await self.flush()

    async def _step(self) -> bool:
        known, fold = self.known, self._fold
        received = await received_after(self._journal, known.folded, READ)
        if not received:
            return False
        if self._seen is not None:
            self._seen.note(entry for _, entry, _ in received)
        sheets = self._sheets
        if sheets is not None:
            known.load_ids({entry.distinct_id for _, entry, _ in received})
        ids = {entry.distinct_id for _, entry, _ in received if entry.said is not None}
        ids.update(entry.said.other for _, entry, _ in received if entry.said is not None and entry.said.other)
        known.load(ids)
        expected = known.folded + 1
        for position, entry, _ in received:
            try:
                fold.fold(position, entry)
            except Exception as error:
                # An internal error about one event must not keep all others from being delivered.
                place = kind_and_place(error)
                log.error("an event was skipped because of an internal error", uuid=entry.uuid, error=place)  # noqa: TRY400
        if sheets is not None:
            sheets.add(received)
        self._window.add(received, expected)
        self._tell()
        return True

    def _tell(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def flush(self) -> None:
        """Write what changed since the last time."""
        async with self._flushing:
            known = self.known
            if known.folded == self._flushed:
                return
            flush = known.take_flush()
            if self._seen is not None:
                flush = flush._replace(seen=self._seen.new)
            if self._sheets is not None:
                flush = flush._replace(sheets=self._sheets.to_write())
            await self._state.flush(flush)
            known.flushed(flush)
            self._flushed = flush.folded
            if self.shared:
                self._tell()
            if self._seen is not None:
                self._seen.written(flush.seen)
            if self._sheets is not None:
                self._sheets.written(flush.sheets)

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        """See `store.forgetting.Forgets.expire_people`. Nothing is folded in the meantime, so
        every event in the journal is known."""
        async with self._stepping:
            while self.known.folded < self._journal.end and await self._step():
                pass
            await self.flush()
            expired = await self._state.expire_people(before_day=before_day, today=today, after=after, most=most)
            self.known.lose(expired.ids)
            return expired

    # reading, for the connections

    @property
    def ready(self) -> int:
        """Up to which position connections get events."""
        return self._flushed if self.shared else self.known.folded

    async def wait(self, after: int) -> None:
        """See `puller.Folded`."""
        while self.ready < self._must or self.ready <= after:
            await self._grown.wait()

    async def read(self, after: int, limit: int) -> tuple[list[Received], Portion | None]:
        """See `puller.Folded`."""
        return await self._window.read(after, limit, self.ready), None
