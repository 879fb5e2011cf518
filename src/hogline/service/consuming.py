"""Reads from each source that is a topic of Kafka, all the time (`topic_reader`). Knows what is in the way, and tries
again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain, count

import structlog
from msgspec import field
from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.clock import Clock
from hogline.service.standing import LOOK_EVERY_S, Standing, Standings
from hogline.service.topic_reader import Append, Progress, Recreated, TopicReader
from hogline.sources.kafka.client import KafkaLog
from hogline.sources.kafka.library import Settings, split
from hogline.sources.kafka.log import Log, Trouble
from hogline.sources.kafka.positions import own_run
from hogline.sources.seen import SeenUuids
from hogline.store.base import Journal, State, Unusable, Unwritable
from hogline.store.datadir.sources import Source, Topic
from hogline.store.datadir.sources import Sources as Kept
from hogline.telemetry.internal_errors import kind_and_place
from hogline.views.connections import SourceState

log = structlog.get_logger("hogline.service")

LONGEST_PAUSE_S = 60.0
LONGEST_OWN_PAUSE_S = 5.0
"""What waits in a topic of Hogline's own is what was just received."""
RECREATED = (
    "The topic was deleted and created again. What it had is gone, so Hogline stopped. Run the same "
    "`hogline source add kafka` again to read the new one from its beginning."
)
NOT_SET_HERE = " Set HOGLINE_JOURNAL here as for the receivers, and HOGLINE_KAFKA."
"""Added to the trouble of a topic that only other processes have in their settings."""
NOBODY = "Connect a destination first. Kafka keeps the events until then."

Opens = Callable[[str, str, Settings], Log]
"""A topic's log, from brokers, topic and settings. Raises `Trouble`."""


class Reading(Standing):
    """What this process knows of a source."""

    pause_s: float = 0.0
    stopped: bool = False
    """It does not try again by itself."""
    held: bool = False
    """It is being changed."""
    progress: Progress = field(default_factory=Progress)

    @property
    def is_in_trouble(self) -> bool:
        """Nothing could be read since there is trouble."""
        return self.trouble is not None and not self.progress.reads and self.progress.waits is None


class Consuming:
    def __init__(
        self,
        kept: Kept | None,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        seen: SeenUuids,
        own: str = "",
        others: Callable[[], Collection[str]] = tuple,
        opens: Opens = KafkaLog,
    ) -> None:
        """`own`: the address of the topic of HOGLINE_JOURNAL; empty: there is none. `others`: addresses of topics into
        which other processes put events.
        """
        self._kept = kept
        self._journal = journal
        self._state = state
        self._clock = clock
        self._seen = seen
        self._opens = opens
        self._standings = Standings(Reading)
        self._runs = False
        self._connected = False
        self._own = own
        self._others = others

    def standing(self, name: str) -> Reading:
        return self._standings.of(name)

    def open(self, address: str, key: str) -> Log:
        """The log of a source with this address and key. Blocks. Raises `Trouble`."""
        brokers, topic = split(address)
        settings: Mapping[str, str | int | float | bool] = json.loads(key)
        return self._opens(brokers, topic, settings)

    def is_own(self, source: Source) -> bool:
        """Whether receivers put events there (HOGLINE_JOURNAL). Also known in a process that does not read it."""
        return any(source.run == _run_of(address) for address in (self._own, *self._others()) if address)

    def begin_own(self, address: str, settings: Settings) -> None:
        """Read the topic into which Hogline's receivers put events. The topic of another HOGLINE_JOURNAL is read to its
        end. Raises `Unusable`.
        """
        kept, key = self._kept, json.dumps(dict(settings))
        assert kept is not None  # a process that delivers has them
        run = _run_of(address)
        source = next((one for one in kept.all() if one.run == run), None)
        if source is None:
            now_ms = self._clock.time_ms()
            names = chain(["journal"], (f"journal-{number}" for number in count(2)))
            source = Source(
                name=next(name for name in names if kept.find(name) is None),
                address=address,
                run=run,
                up_to_ms=now_ms,
                created_ms=now_ms,
                topic=Topic(id="", project=0, ours=True),
            )
        kept.put(replace(source, address=address, key=key))

    async def run(self, append: Append) -> None:
        """Read from each source until cancelled. `append` may refuse while too many events are pending."""
        self._runs = True
        try:
            await self._standings.look_after(partial(self._look, append), self._clock)
        finally:
            self._runs = False

    async def _look(self, append: Append) -> None:
        self._connected = bool(await self._state.connections())
        self._read_what_others_write()
        for source in self._topics():
            if not self._may_read(source):
                await self._standings.end(source.name)
        for source in self._topics():  # as they are now
            self._look_after(source, append)

    def _read_what_others_write(self) -> None:
        """Only their processes have HOGLINE_JOURNAL, and perhaps settings for Kafka that are missing here."""
        there = {one.run for one in self._topics()}
        for address in self._others():
            if _run_of(address) not in there:
                log.warning("receivers put events into a topic; HOGLINE_JOURNAL is not set here", topic=address)
                self.begin_own(address, {})

    def _topics(self) -> list[Source]:
        return [] if self._kept is None else [one for one in self._kept.all() if one.topic is not None]

    def _may_read(self, source: Source) -> bool:
        return self._connected and not source.paused and not self.standing(source.name).held

    def _look_after(self, source: Source, append: Append) -> None:
        standing = self.standing(source.name)
        is_due = not standing.stopped and self._clock.now_s() >= standing.due_s
        if is_due and self._may_read(source) and not standing.is_busy:
            standing.task = asyncio.create_task(self._follow(source, standing, append), name=f"source {source.name}")

    async def _follow(self, source: Source, standing: Reading, append: Append) -> None:
        """Until something is in the way, and note what."""
        assert self._kept is not None  # there is a source
        standing.progress = Progress(
            up_to_ms=standing.progress.up_to_ms,
            unreadable=standing.progress.unreadable,
            others=standing.progress.others,
        )
        reader: TopicReader | None = None
        try:
            reader = TopicReader(
                source.name,
                await started(lambda: self.open(source.address, source.key)),
                standing.progress,
                kept=self._kept,
                append=append,
                journal=self._journal,
                seen=self._seen,
                suppressed=self._state.suppressed,
                clock=self._clock,
            )
            await reader.follow()
        except Recreated:
            standing.stopped = True
            self._troubled(source, standing, RECREATED)
        except (Trouble, Unusable, Unwritable) as problem:
            self._troubled(source, standing, str(problem))
        except Exception as error:  # whatever it is, it is tried again
            self._troubled(source, standing, f"Internal error ({kind_and_place(error)}).")
        finally:
            if reader is not None:
                await reader.close()

    def _troubled(self, source: Source, standing: Reading, trouble: str) -> None:
        if standing.progress.reads:
            standing.trouble, standing.pause_s = None, 0.0
        standing.progress.reads = False
        if standing.trouble is None:
            standing.trouble_ms = self._clock.time_ms()
        if trouble != standing.trouble:
            log.warning("nothing can be read", source=source.name, reason=trouble)
        standing.trouble = trouble
        longest_s = LONGEST_OWN_PAUSE_S if source.topic is not None and source.topic.ours else LONGEST_PAUSE_S
        standing.pause_s = min(max(standing.pause_s * 2, LOOK_EVERY_S), longest_s)
        standing.due_s = self._clock.now_s() + standing.pause_s

    async def end(self, name: str) -> None:
        """Stop reading from a source."""
        await self._standings.end(name)

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Nothing is read from a source meanwhile: it is being changed."""
        standing = self.standing(name)
        standing.held = True
        try:
            await self.end(name)
            yield
        finally:
            standing.held = False

    def begin_again(self, name: str) -> None:
        """Read from a source immediately, whatever was in the way."""
        standing = self.standing(name)
        standing.due_s = standing.pause_s = 0.0
        standing.stopped, standing.trouble = False, None

    def drop(self, name: str) -> None:
        """After it was removed."""
        self._standings.drop(name)

    def state_of(self, source: Source) -> tuple[SourceState, str | None]:
        """The state, and why nothing is read just now."""
        standing = self.standing(source.name)
        if source.paused:
            return "paused", None
        if not self._runs:
            return "not_running", "Start `hogline serve` to read."
        if standing.stopped:
            return "stopped", self._trouble(source, standing)
        if not self._connected:
            return "waiting", NOBODY
        if standing.progress.waits:
            return "waiting", standing.progress.waits
        return ("retrying", self._trouble(source, standing)) if standing.is_in_trouble else ("reading", None)

    def _trouble(self, source: Source, standing: Reading) -> str | None:
        told = self._own and source.run == _run_of(self._own)
        more = NOT_SET_HERE if standing.trouble and self.is_own(source) and not told else ""
        return f"{standing.trouble}{more}" if standing.trouble else None

    def trouble_s(self, source: Source) -> float:
        standing = self.standing(source.name)
        return (self._clock.time_ms() - standing.trouble_ms) / 1_000 if standing.is_in_trouble else 0.0


def _run_of(address: str) -> int:
    """Topics are distinguished by their names."""
    return own_run(split(address)[1])
