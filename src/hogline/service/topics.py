"""What is peculiar to sources that read from Kafka: where to begin, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.clock import Clock
from hogline.service import gaps
from hogline.service.consuming import Consuming
from hogline.service.core import CannotDo
from hogline.service.topic_reader import Progress, begin_anew
from hogline.sources.kafka.log import Described, Trouble
from hogline.sources.kafka.positions import Position, all_numbers, encoded, latest_ms
from hogline.store.base import Journal
from hogline.store.datadir.sources import Source, Topic
from hogline.store.datadir.sources import Sources as Kept
from hogline.views.connections import GapView, SourceView


class Topics:
    def __init__(self, kept: Kept | None, consuming: Consuming, *, journal: Journal, clock: Clock) -> None:
        """`kept`: None where there are no sources."""
        self._kept = kept
        self._consuming = consuming
        self._journal = journal
        self._clock = clock

    async def reached(self, address: str, key: str, since_ms: int) -> tuple[Described, dict[int, int]]:
        """The topic, and where a new source would begin. Raises `CannotDo`."""

        def look() -> tuple[Described, dict[int, int]]:
            log = self._consuming.open(address, key)
            try:
                found = log.describe()
                ends = {partition: one.next for partition, one in found.partitions.items()}
                return found, log.offsets_at(since_ms) if since_ms else ends
            finally:
                log.close()

        try:
            return await started(look)
        except Trouble as problem:
            raise CannotDo(str(problem)) from None

    async def begin(self, source: Source, offsets: Mapping[int, int]) -> None:
        """A new source reads from these offsets on."""
        positions = {partition: Position(offset, 0) for partition, offset in offsets.items()}
        await self._journal.append((), positions=encoded(source.run, positions))

    async def drop(self, source: Source) -> None:
        """After it was removed."""
        self._consuming.drop(source.name)
        await self._journal.drop_runs([source.run, *all_numbers(source.run, self._journal.backfilled.taken)])

    async def go_on(self, name: str, key: str, described: Described) -> None:
        """With other settings. A topic that was created again is read from its beginning."""
        kept = self._kept
        assert kept is not None  # there is a source
        topic = _topic(kept.get(name))
        if topic.id and described.id and topic.id != described.id:
            await begin_anew(kept, name, described, self._journal, self._clock.time_ms())
        source = kept.get(name)
        kept.put(replace(source, key=key, topic=replace(_topic(source), id=described.id or topic.id)))

    def view(self, source: Source, topic: Topic) -> SourceView:
        """A source that reads from Kafka, without its settings."""
        progress, taken = self._consuming.standing(source.name).progress, self._journal.backfilled.taken
        up_to_ms = progress.up_to_ms or latest_ms(source.run, taken)
        state, reason = self._consuming.state_of(source)
        return SourceView(
            name=source.name,
            address=source.address,
            kind="kafka",
            ours=topic.ours,
            required=self._consuming.is_own(source),
            every_s=0,
            state=state,
            reason=reason,
            trouble_s=self._consuming.trouble_s(source),
            up_to_ms=max(up_to_ms, source.up_to_ms),
            fetched_ms=up_to_ms,
            settled=taken.get(source.run, 0),
            by="",
            behind=progress.behind,
            lag_s=self._lag_s(progress),
            unreadable=progress.unreadable,
            other_projects=progress.others,
            missed=gaps.missed(source),
            refetched=gaps.refetched(topic.gaps),
            gaps=[
                GapView(
                    partition=gap.partition,
                    records=gap.records,
                    from_ms=gap.from_ms,
                    to_ms=gap.to_ms,
                    filled_by=gap.filled_by,
                )
                for gap in topic.gaps
            ],
        )

    def _lag_s(self, progress: Progress) -> float:
        if not progress.behind or not progress.up_to_ms:
            return 0.0
        return max(self._clock.time_ms() - progress.up_to_ms, 0) / 1_000


def _topic(source: Source) -> Topic:
    assert source.topic is not None
    return source.topic
