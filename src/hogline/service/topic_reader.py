"""Reads one topic of Kafka into the journal, from where it was left.

How far it is read is written with its events, in one transaction, so a crash at any moment loses nothing and takes
nothing twice. What Kafka deleted before it was read is noted as a gap (`gaps`), and reading goes on behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import structlog
from msgspec import Struct, field
from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.clock import Clock
from hogline.service import gaps
from hogline.sources.kafka.entries import Entries
from hogline.sources.kafka.log import Described, End, Ends, Log, Moved, Record, Trouble
from hogline.sources.kafka.merge import Change, Merge
from hogline.sources.kafka.positions import Position, encoded, latest_ms, read_positions
from hogline.sources.kafka.rows import Rows
from hogline.sources.seen import SeenUuids
from hogline.sources.suppression import let_in
from hogline.sources.until_written import until_written
from hogline.store.base import Journal
from hogline.store.datadir.sources import Gap, Taken, Topic
from hogline.store.datadir.sources import Sources as Kept
from hogline.store.forgetting import Suppressed

log = structlog.get_logger("hogline.service")

T = TypeVar("T")

AT_ONCE = 1_000
SLICE = 100
"""Records that are read before others get a turn."""
READ_WITHIN_S = 0.2
LOOK_AGAIN_S = 10.0
"""So often it asks whether there are new partitions, and whether it is the same topic."""
NOTE_EVERY_S = 10.0
DROP_EVERY_S = 60.0
TAKEN_EVERY_MS = 3_600_000
"""So often it notes how far it is."""
KEPT_MS = 86_400_000
"""So long Kafka keeps what was taken of a topic of Hogline's own: if the store loses it, it is taken again."""
COUNT_EVERY_S = 2.0
AFTER_MOVING_S = 1.0
REWIND_MS = 600_000
"""Of a log that was cut back, so much is read again; the uuids tell what came before."""

Append: TypeAlias = Callable[[Sequence[bytes], Mapping[str, int] | None, Mapping[int, int]], Awaitable[int]]
"""A journal's `append`, with `positions`."""


class Recreated(Exception):
    """The topic is another one than before."""


class Progress(Struct):
    """What this process knows of a topic."""

    waits: str | None = None
    """Why nothing is taken just now."""
    up_to_ms: int = 0
    """Everything that was written before is taken."""
    behind: int = 0
    unreadable: int = 0
    others: int = 0
    """Records of other projects."""
    reads: bool = False
    """It came so far that the journal has something new, or that there is nothing more."""
    positions: dict[int, Position] = field(default_factory=dict)


class TopicReader:
    def __init__(
        self,
        name: str,
        topic_log: Log,
        progress: Progress,
        *,
        kept: Kept,
        append: Append,
        journal: Journal,
        seen: SeenUuids,
        suppressed: Suppressed,
        clock: Clock,
    ) -> None:
        """`name`: of the source."""
        self._name = name
        self._log = topic_log
        self._progress = progress
        self._kept = kept
        self._append = append
        self._journal = journal
        self._seen = seen
        self._suppressed = suppressed
        self._clock = clock
        source = kept.get(name)
        self._run = source.run
        self._begins_ms = source.up_to_ms
        self._calling: asyncio.Future[object] | None = None
        self._look_s = self._note_s = self._count_s = self._drop_s = 0.0

    @property
    def _topic(self) -> Topic:
        topic = self._kept.get(self._name).topic
        assert topic is not None
        return topic

    async def follow(self) -> None:
        """Until something is in the way. Raises `Trouble`, `Recreated`, `Unusable`."""
        while True:
            described = await self._call(self._log.describe)
            before = await self._begin(described)
            try:
                await self._read(described, before)
            except Moved:
                await self._clock.sleep(AFTER_MOVING_S)

    async def close(self, within_s: float = 2.0) -> None:
        """What does not answer within that time is left alone."""
        if self._calling is not None and not self._calling.done():
            await asyncio.wait([self._calling], timeout=within_s)
        if self._calling is None or self._calling.done():
            await asyncio.wait([started(self._log.close)], timeout=within_s)

    async def _call(self, ask: Callable[[], T]) -> T:
        """In a thread; one at a time."""
        calling = started(ask)
        self._calling = calling  # type: ignore[assignment]  # its result is not looked at here
        return await asyncio.shield(calling)

    async def _begin(self, described: Described) -> dict[int, Record]:
        """Find out where to go on, and note what is gone. Returns the last record of each partition that was taken: the
        one that is there now must be the same. Raises `Recreated`.
        """
        if self._topic.ours and self._is_another_topic(described.id):
            # There is nothing to decide: what the other topic had is gone.
            await begin_anew(self._kept, self._name, described, self._journal, self._clock.time_ms())
        topic = self._topic
        self._check_id(described.id)
        if described.id and not topic.id:
            source = self._kept.get(self._name)
            self._kept.put(replace(source, topic=replace(topic, id=described.id)))
        known = read_positions(self._run, self._journal.backfilled.taken, described.partitions)
        if topic.ours and not known:  # what is gone was never for this store
            known = {partition: Position(ends.first, 0) for partition, ends in described.partitions.items()}
        found, changed = list[Gap](), dict[int, Position]()
        for partition, ends in described.partitions.items():
            position = known.get(partition, Position(0, 0))  # of a new partition, everything is new
            if position.offset < ends.first:
                found.append(self._gap(partition, position, ends.first - position.offset))
                changed[partition] = position._replace(offset=ends.first)
            elif position.offset > ends.next:
                found.append(self._gap(partition, position, 0))
                changed[partition] = await self._back(partition, position, ends)
        await self._note(found, changed)
        positions = known | changed
        self._progress.positions = {one: positions.get(one, Position(0, 0)) for one in described.partitions}
        return {
            partition: Record(partition, position.offset - 1, position.time_ms, None)
            for partition, position in positions.items()
            if position.time_ms and position.offset > described.partitions[partition].first
        }

    def _is_another_topic(self, found: str) -> bool:
        expected = self._topic.id
        return bool(expected and found and found != expected)

    def _check_id(self, found: str) -> None:
        if self._is_another_topic(found):
            raise Recreated

    def _gap(self, partition: int, position: Position, records: int) -> Gap:
        return Gap(
            partition=partition,
            first=position.offset,
            records=records,
            from_ms=position.time_ms or latest_ms(self._run, self._journal.backfilled.taken) or self._begins_ms,
            to_ms=self._clock.time_ms(),
        )

    async def _back(self, partition: int, position: Position, ends: Ends) -> Position:
        """Where to go on in a log that was cut back, or is another one."""
        since_ms = max(position.time_ms - REWIND_MS, 0)
        offsets = await self._call(lambda: self._log.offsets_at(since_ms))
        return Position(offsets.get(partition, ends.next), 0)

    async def _note(self, found: Sequence[Gap], changed: Mapping[int, Position]) -> None:
        """The gaps first: after a crash in between, they are found again."""
        if found:
            gaps.note(self._kept, self._name, found)
        if changed:
            self._note_taken(())  # their offsets may be those of other records now
            await self._append((), None, encoded(self._run, changed))

    def _note_taken(self, taken: tuple[Taken, ...]) -> None:
        if taken != self._topic.taken:
            self._kept.put(replace(self._kept.get(self._name), topic=replace(self._topic, taken=taken)))

    async def _read(self, described: Described, before: dict[int, Record]) -> None:
        """Raises `Moved`, and as `follow` does."""
        progress, clock = self._progress, self._clock
        offsets = {one: position.offset for one, position in progress.positions.items()}
        offsets |= {one: record.offset for one, record in before.items()}
        await self._call(lambda: self._log.read_from(offsets))
        merge = Merge(described.partitions)
        self._look_s = clock.now_s() + LOOK_AGAIN_S
        taken: Sequence[Record] = ()
        while True:
            within_s = 0.0 if len(taken) == AT_ONCE else READ_WITHIN_S  # there is more already
            for one in await self._call(partial(self._poll, merge.change(), within_s)):
                if isinstance(one, End):
                    merge.end(one.partition)
                elif (last := before.pop(one.partition, None)) is None or one.offset != last.offset:
                    merge.add(one, clock.now_s())
                elif one.time_ms != last.time_ms:
                    await self._is_another(one.partition, described.partitions[one.partition])
            if taken := merge.take(AT_ONCE, clock.now_s()):
                await self._keep(taken)
                progress.up_to_ms = taken[-1].time_ms
            if merge.is_over:
                progress.reads, progress.up_to_ms = True, clock.time_ms()
            await self._look(described)

    def _poll(self, change: Change, within_s: float) -> list[Record | End]:
        if change.pause:
            self._log.pause(change.pause)
        if change.resume:
            self._log.resume(change.resume)
        return list(self._log.read(AT_ONCE, within_s))

    async def _is_another(self, partition: int, ends: Ends) -> None:
        """The last record that was taken is not the one that is there now. Raises `Moved`."""
        position = self._progress.positions[partition]
        await self._note([self._gap(partition, position, 0)], {partition: await self._back(partition, position, ends)})
        raise Moved

    async def _look(self, described: Described) -> None:
        """What is done now and then. Raises `Moved`."""
        now_s, offsets = self._clock.now_s(), {one: at.offset for one, at in self._progress.positions.items()}
        if now_s >= self._count_s:
            self._count_s = now_s + COUNT_EVERY_S
            self._progress.behind = await self._call(lambda: self._log.behind(offsets))
        if now_s >= self._note_s:
            self._note_s = now_s + NOTE_EVERY_S
            await self._call(lambda: self._log.note(offsets))
        if now_s >= self._drop_s and self._topic.ours:
            self._drop_s = now_s + DROP_EVERY_S
            await self._drop(offsets)
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_AGAIN_S
            found = await self._call(self._log.look)
            if set(found.partitions) != described.partitions.keys() or (
                self._topic.ours and self._is_another_topic(found.id)
            ):
                raise Moved
            self._check_id(found.id)

    async def _drop(self, offsets: Mapping[int, int]) -> None:
        """Delete what was taken a day ago. When it was written says little: it may have waited for days."""
        now_ms, taken = self._clock.time_ms(), self._topic.taken
        if not taken or now_ms - taken[-1].at_ms >= TAKEN_EVERY_MS:
            taken = (*taken, Taken(at_ms=now_ms, offsets=dict(offsets)))
        old = [one for one in taken if now_ms - one.at_ms >= KEPT_MS]
        if old:
            gone = {one: min(offset, offsets.get(one, 0)) for one, offset in old[-1].offsets.items()}
            try:
                await self._call(lambda: self._log.drop(gone))
            except Trouble as trouble:  # what is there can still be read
                log.warning("what was taken cannot be deleted in Kafka", source=self._name, reason=str(trouble))
                old.pop()
        self._note_taken(taken[len(old) :])

    async def _keep(self, records: Sequence[Record]) -> None:
        """Keep what they hold, however long the journal refuses it. Meanwhile nothing more is read."""
        progress = self._progress
        rows = Entries() if self._topic.ours else Rows(self._topic.project)
        for begin in range(0, len(records), SLICE):
            rows.read(records[begin : begin + SLICE], self._clock.time_ms())
            await asyncio.sleep(0)
        last = {one.partition: Position(one.offset + 1, one.time_ms) for one in records}

        async def write() -> None:
            received, refused = let_in(rows.batch, self._suppressed)
            events = self._journal.backfilled.taken.get(self._run, 0) + len(received)
            journal = _WithPositions(self._append, encoded(self._run, last) | {self._run: events})
            await self._seen.append(journal, received, refused or None)

        await until_written(write, progress, self._clock)
        progress.reads = True
        progress.positions |= last
        progress.others += rows.others
        if rows.bad:
            progress.unreadable += len(rows.bad)
            first = rows.bad[0]
            log.warning(
                "records that hold no event",
                source=self._name,
                records=len(rows.bad),
                partition=first.partition,
                offset=first.offset,
                reason=first.sentence,
            )


async def begin_anew(kept: Kept, name: str, described: Described, journal: Journal, now_ms: int) -> None:
    """Read a topic that was created again from its beginning, and note what is gone. Its id comes last: after a crash
    in between, all of this is done again.
    """
    source = kept.get(name)
    taken = journal.backfilled.taken
    before = read_positions(source.run, taken, described.partitions)
    since_ms = min((one.time_ms for one in before.values() if one.time_ms), default=0)
    from_ms = since_ms or latest_ms(source.run, taken) or source.up_to_ms
    gaps.note(kept, name, [Gap(partition=0, first=0, records=0, from_ms=from_ms, to_ms=now_ms)])
    begin = {
        partition: before.get(partition, Position(0, 0))._replace(offset=ends.first)
        for partition, ends in described.partitions.items()
    }
    await journal.append((), positions=encoded(source.run, begin))
    source = kept.get(name)
    assert source.topic is not None
    kept.put(replace(source, topic=replace(source.topic, id=described.id, taken=())))


class _WithPositions:
    """The journal, for records of a topic."""

    def __init__(self, append: Append, positions: Mapping[int, int]) -> None:
        self._append = append
        self._positions = positions

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        return await self._append(events, refused, self._positions)
