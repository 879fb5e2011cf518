"""The uuids of recent events of all senders; after a start they are read from the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from hogline.posthog.entry import decode_entry, decode_identity
from hogline.posthog.received import Received
from hogline.posthog.uuids import REPEATED, WINDOW, Seen, Uuids, marked, told_apart
from hogline.store.base import Appender, Unwritable

_READ_AT_ONCE = 200


class Reads(Protocol):
    """What is asked of the journal (`store.base.Journal`)."""

    @property
    def end(self) -> int: ...

    async def read(self, after: int, limit: int) -> list[tuple[int, bytes]]: ...


class SeenUuids:
    def __init__(self, journal: Reads | None = None, window: int = WINDOW) -> None:
        """Without a journal nothing came before."""
        self._journal = journal
        self._window = window
        self._uuids = Uuids(window)
        self._loading = asyncio.Lock()

    async def append(
        self, journal: Appender, received: Sequence[Received], refused: Mapping[str, int] | None = None
    ) -> tuple[int, list[Received]]:
        """Keep events, each under a uuid that no other has, and count what was refused. Returns as `Appender.append`
        does, and the events as they were kept. Raises `Unwritable`.
        """
        if self._journal is not None:
            await self.load()
        # No waiting until all have an identity: concurrent events come before or after these.
        uuids = self._uuids
        told = [told_apart(each, uuids) for each in received]
        try:
            return await journal.append([each.body for each in told], refused), told
        except Unwritable:
            for each in told:
                if REPEATED not in each.entry.repaired:
                    uuids.lose(each.entry.uuid)
            raise

    async def append_bodies(
        self,
        journal: Appender,
        bodies: Sequence[bytes],
        refused: Mapping[str, int] | None = None,
        *,
        repeats: bool = True,
    ) -> int:
        """The same for events as the journal keeps them; of most nothing but the identity is decoded. Without
        `repeats`, those are left out.
        """
        await self.load()
        uuids, told, new = self._uuids, list[bytes](), list[str]()
        for body in bodies:
            who = decode_identity(body)
            seen = uuids.see(who.uuid, who.name, who.distinct_id)
            if seen is Seen.NEW:
                told.append(body)
                new.append(who.uuid)
                continue
            known = marked(Received(decode_entry(body), body), seen, uuids)
            is_repeat = REPEATED in known.entry.repaired
            if not is_repeat:
                new.append(known.entry.uuid)
            if repeats or not is_repeat:
                told.append(known.body)
        try:
            return await journal.append(told, refused)
        except Unwritable:
            for uuid in new:
                uuids.lose(uuid)
            raise

    async def load(self) -> None:
        """Know what the journal has, if it was not read yet. Raises `Unwritable`."""
        async with self._loading:
            journal = self._journal
            if journal is None:
                return
            uuids, after = Uuids(self._window), max(0, journal.end - self._window)
            while events := await journal.read(after, _READ_AT_ONCE):
                for _, body in events:
                    identity = decode_identity(body)
                    if identity.uuid:  # else somebody was forgotten
                        uuids.see(identity.uuid, identity.name, identity.distinct_id)
                after = events[-1][0]
                await asyncio.sleep(0)
            self._uuids, self._journal = uuids, None
