"""Sources, as a user asks for them: what `hogline serve` fetches from PostHog every few minutes, so that PostHog need
not reach it. `fetching` does it."""

from __future__ import annotations

import re

from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.backfill.files import CannotRead
from hogline.backfill.posthog import PostHogExports, address
from hogline.clock import Clock
from hogline.service.core import CannotDo
from hogline.service.fetching import Fetching
from hogline.service.trail import Trail
from hogline.store.base import Journal, State
from hogline.store.datadir.sources import Source
from hogline.store.datadir.sources import Sources as Kept
from hogline.views.connections import SourceView

EVERY_S = 300
LEAST_EVERY_S = 60
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Sources:
    def __init__(
        self, kept: Kept | None, fetching: Fetching, *, journal: Journal, state: State, clock: Clock, trail: Trail
    ) -> None:
        """`kept`: None where there are none."""
        self._kept = kept
        self._fetching = fetching
        self._journal = journal
        self._state = state
        self._clock = clock
        self._trail = trail

    async def all(self) -> list[SourceView]:
        """All sources, oldest first, without their keys."""
        return [await self._view(source) for source in self._sources()]

    async def add(
        self, host: str, project: str, key: str, *, name: str = "", every_s: int = EVERY_S, since_ms: int = 0
    ) -> SourceView:
        """Fetch what reaches this project of PostHog from now on, or since an earlier time. For a source that is there
        already: use this key and interval from now on. The key is stored, encrypted.
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
        same = next((one for one in kept.all() if one.address == where and name in {"", one.name}), None)
        if same is not None:
            source = replace(same, key=key.strip(), every_s=every_s)
        else:
            source = Source(
                name=self._new_name(name),
                address=where,
                key=key.strip(),
                every_s=every_s,
                run=min([0, *(one.run for one in kept.all()), *self._journal.backfilled.taken]) - 1,
                up_to_ms=since_ms or now_ms,
                created_ms=now_ms,
            )
        kept.put(source)
        self._fetching.standing(source.name).due_s = 0.0
        await self._trail.note("source_added", {"source": source.name, "posthog": source.address})
        return await self._view(source)

    async def remove(self, name: str) -> None:
        """Fetch nothing more, and forget the key. Events that were fetched stay."""
        source = self._find(name)
        await self._fetching.end(name)
        self._store().remove(name)
        self._fetching.drop(source)
        await self._trail.note("source_removed", {"source": name})

    async def pause(self, name: str) -> SourceView:
        """Fetch nothing until it is resumed. PostHog keeps what it receives meanwhile."""
        source = replace(self._find(name), paused=True)
        await self._fetching.end(name)
        self._store().put(source)
        await self._trail.note("source_paused", {"source": name})
        return await self._view(source)

    async def resume(self, name: str) -> SourceView:
        """Fetch again, from where it stopped."""
        source = replace(self._find(name), paused=False)
        self._store().put(source)
        self._fetching.standing(name).due_s = 0.0
        await self._trail.note("source_resumed", {"source": name})
        return await self._view(source)

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

    def _new_name(self, name: str) -> str:
        names = {one.name for one in self._sources()}
        if name and not _NAME.fullmatch(name):
            raise CannotDo("--name takes lowercase letters, digits, - and _, at most 64 of them.")
        if name in names:
            raise CannotDo(f"A source named {name!r} already exists, for another project. Choose another --name.")
        number = 1
        while (found := name or f"posthog{f'-{number}' if number > 1 else ''}") in names:
            number += 1
        return found

    async def _view(self, source: Source) -> SourceView:
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
            by=standing.by,
        )


def _is_outcome(kind: str) -> bool:
    return not kind.startswith("adjusted ")
