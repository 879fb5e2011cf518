"""Sources, as a user asks for them: what `hogline serve` gets by itself, so that PostHog need not reach it. `fetching`
asks PostHog every few minutes, `consuming` reads from Kafka all the time."""

from __future__ import annotations

import asyncio
import json
import re

from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.backfill.files import CannotRead
from hogline.backfill.posthog import PostHogExports, address
from hogline.clock import Clock
from hogline.service import gaps
from hogline.service.consuming import Consuming
from hogline.service.core import CannotDo
from hogline.service.fetching import Fetching
from hogline.service.topics import Topics
from hogline.service.trail import Trail
from hogline.sources.kafka.library import SCHEME, Settings, split
from hogline.sources.kafka.positions import next_run, run_of
from hogline.store.base import Journal, State
from hogline.store.datadir.sources import Source, Topic
from hogline.store.datadir.sources import Sources as Kept
from hogline.views.connections import SourceView

EVERY_S = 300
LEAST_EVERY_S = 60
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Sources:
    def __init__(
        self,
        kept: Kept | None,
        fetching: Fetching,
        consuming: Consuming,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        trail: Trail,
    ) -> None:
        """`kept`: None where there are none."""
        self._kept = kept
        self._fetching = fetching
        self._consuming = consuming
        self._topics = Topics(kept, consuming, journal=journal, clock=clock)
        self._journal = journal
        self._state = state
        self._clock = clock
        self._trail = trail
        self._changing = asyncio.Lock()
        """Held while a source is being changed: one change at a time."""

    async def all(self) -> list[SourceView]:
        """All sources, oldest first, without their keys."""
        return [await self._view(source) for source in self._sources()]

    async def add(
        self,
        host: str,
        project: str,
        key: str,
        *,
        name: str = "",
        every_s: int = EVERY_S,
        since_ms: int = 0,
        only_gaps: bool = False,
    ) -> SourceView:
        """Fetch what reaches this project of PostHog from now on, or since an earlier time. `only_gaps`: only what a
        source that reads from Kafka misses. For a source that is there already: use this key and interval from now on;
        what it fetches does not change. The key is stored, encrypted.
        """
        kept, now_ms = self._store(), self._clock.time_ms()
        if not LEAST_EVERY_S <= every_s <= 86_400:
            raise CannotDo("--every must be between 1m and 24h.")
        if since_ms > now_ms:
            raise CannotDo("--since must not be in the future.")
        try:
            where = address(host, project)
            checked = PostHogExports(where, key, tries=1)
            await started(checked.check)
        except CannotRead as problem:
            raise CannotDo(str(problem)) from None
        async with self._changing:
            same = self._same(where, name)
            if only_gaps and same is not None and not same.only_gaps:
                raise CannotDo(
                    f"{same.name} fetches everything from this project, also what Kafka missed. To fetch only that, "
                    f"remove it first: `hogline source remove {same.name}`."
                )
            if same is not None:
                source = replace(same, key=key.strip(), every_s=every_s)
            else:
                source = Source(
                    name=self._new_name(name, "posthog"),
                    address=where,
                    key=key.strip(),
                    every_s=every_s,
                    run=self._new_run(),
                    up_to_ms=since_ms or now_ms,
                    created_ms=now_ms,
                    since_ms=since_ms,
                    only_gaps=only_gaps,
                )
            kept.put(source)
            gaps.assign(kept)
            self._fetching.standing(source.name).due_s = 0.0
        await self._trail.note("source_added", {"source": source.name, "posthog": source.address})
        return await self._view(source)

    async def add_kafka(
        self,
        brokers: str,
        topic: str,
        project: int,
        settings: Settings,
        *,
        name: str = "",
        since_ms: int = 0,
    ) -> SourceView:
        """Read this project's rows of a topic from now on, or since an earlier time. For a topic that is read already:
        use these settings from now on, and go on even if it was deleted and created again. `settings`: librdkafka's;
        they are stored, encrypted.
        """
        kept, now_ms = self._store(), self._clock.time_ms()
        where, key = f"{SCHEME}{brokers}/{topic}", json.dumps(dict(settings))
        if split(where) != (brokers, topic):
            raise CannotDo("--brokers must be like kafka:9092, several separated by commas.")
        if since_ms > now_ms:
            raise CannotDo("--since must not be in the future.")
        described, offsets = await self._topics.reached(where, key, since_ms)
        async with self._changing:
            same = self._same(where, name)
            if same is None:
                source = Source(
                    name=self._new_name(name, "kafka"),
                    address=where,
                    key=key,
                    run=self._new_run(),
                    up_to_ms=since_ms or now_ms,
                    created_ms=now_ms,
                    topic=Topic(id=described.id, project=project),
                )
                await self._topics.begin(source, offsets)
                kept.put(source)
                name = source.name
            else:
                name = same.name
                if same.topic is not None and same.topic.project != project:
                    raise CannotDo(f"{name} reads project {same.topic.project} from this topic. Choose another --name.")
                async with self._consuming.held(name):
                    await self._topics.go_on(name, key, described)
            self._consuming.begin_again(name)
        await self._trail.note("source_added", {"source": name, "posthog": where})
        return await self._view(self._find(name))

    async def dismiss(self, name: str) -> SourceView:
        """Forget what a source that reads from Kafka missed: it is not fetched, and not told anymore."""
        gaps.dismiss(self._store(), self._find(name))
        await self._trail.note("source_gaps_dismissed", {"source": name})
        return await self._view(self._find(name))

    async def remove(self, name: str) -> None:
        """Fetch nothing more, and forget the key. Events that were fetched stay."""
        async with self._changing:
            source, kept = self._find(name), self._store()
            if self._consuming.is_own(source):
                raise CannotDo(f"Hogline's own receivers put events into {name}. Remove HOGLINE_JOURNAL first.")
            async with self._consuming.held(name):
                await self._fetching.end(name)
                kept.remove(name)
            if source.topic is None:
                self._fetching.drop(source)
                gaps.release(kept, name)
            else:
                await self._topics.drop(source)
        await self._trail.note("source_removed", {"source": name})

    async def pause(self, name: str) -> SourceView:
        """Fetch nothing until it is resumed. PostHog keeps what it receives meanwhile, and Kafka for a while."""
        async with self._changing:
            self._store().put(replace(self._find(name), paused=True))  # first, so that nothing begins anew
            await self._fetching.end(name)
            await self._consuming.end(name)
        await self._trail.note("source_paused", {"source": name})
        return await self._view(self._find(name))

    async def resume(self, name: str) -> SourceView:
        """Fetch again, from where it stopped."""
        async with self._changing:
            source = replace(self._find(name), paused=False)
            self._store().put(source)
            if source.topic is None:
                self._fetching.standing(name).due_s = 0.0
            else:
                self._consuming.begin_again(name)
        await self._trail.note("source_resumed", {"source": name})
        return await self._view(self._find(name))

    def _store(self) -> Kept:
        if self._kept is None:
            raise CannotDo("There is no place for sources here.")
        return self._kept

    def _sources(self) -> list[Source]:
        return [] if self._kept is None else self._kept.all()

    def _find(self, name: str) -> Source:
        for source in self._sources():
            if source.name == name:
                return source
        names = ", ".join(one.name for one in self._sources())
        raise CannotDo(
            f"Source {name!r} not found. Your sources: {names}."
            if names
            else f"Source {name!r} not found. You have no sources yet. Add one with `hogline source add posthog`."
        )

    def _same(self, address: str, name: str) -> Source | None:
        return next((one for one in self._sources() if one.address == address and name in {"", one.name}), None)

    def _new_run(self) -> int:
        """A number that no source ever had."""
        return next_run([*(one.run for one in self._sources()), *map(run_of, self._journal.backfilled.taken)])

    def _new_name(self, name: str, kind: str) -> str:
        names = {one.name for one in self._sources()}
        if name and not _NAME.fullmatch(name):
            raise CannotDo("--name takes lowercase letters, digits, - and _, at most 64 of them.")
        if name in names:
            raise CannotDo(f"A source named {name!r} already exists, for something else. Choose another --name.")
        number = 1
        while (found := name or f"{kind}{f'-{number}' if number > 1 else ''}") in names:
            number += 1
        return found

    async def _view(self, source: Source) -> SourceView:
        if source.topic is not None:
            return self._topics.view(source, source.topic)
        standing = self._fetching.standing(source.name)
        state, reason = self._fetching.state_of(source)
        counts = [await self._state.run_counts(one.id, source.run) for one in await self._state.connections()]
        return SourceView(
            name=source.name,
            address=source.address,
            every_s=source.every_s,
            state=state,
            reason=reason,
            trouble_s=(self._clock.time_ms() - standing.trouble_ms) / 1_000 if standing.trouble_ms else 0.0,
            up_to_ms=source.up_to_ms,
            fetched_ms=source.fetched_ms,
            settled=max((sum(n for kind, n in one.items() if _is_outcome(kind)) for one in counts), default=0),
            only_gaps=source.only_gaps,
            by=standing.by,
        )


def _is_outcome(kind: str) -> bool:
    return not kind.startswith("adjusted ")
