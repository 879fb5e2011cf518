"""The journal in a SQLite file: many waiting senders share one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from hogline.store.sqlite.database import open_database, rows, transaction, value
from hogline.store.sqlite.writer import Writer


class _Append(NamedTuple):
    events: Sequence[bytes]
    refused: Mapping[str, int]


class SqliteJournal:
    """Implements `store.base.Journal`."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        """Raises `Unusable`. Must be made in the running event loop."""
        self._written = open_database(path, "journal", vfs)
        self._read = open_database(path, "journal", vfs)
        self._end: int = self._written.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get or 0
        self._grown = asyncio.Event()
        self._writer: Writer[_Append] = Writer(self._perform, name="journal-writer", written=self._reached)

    @property
    def end(self) -> int:
        return self._end

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        if not events and not refused:
            return self._end
        position = await self._writer.write(_Append(events, refused or {}))
        if not isinstance(position, int):
            raise TypeError(position)
        return position

    def _reached(self, position: object) -> None:
        if isinstance(position, int) and position > self._end:
            self._end = position
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()

    async def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        # A read of some hundred rows takes less than a millisecond: cheaper here than in another thread.
        return rows(
            self._read, "SELECT position, body FROM events WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
        )

    async def wait(self, after: int) -> None:
        while self._end <= after:
            await self._grown.wait()

    async def refused(self) -> dict[str, int]:
        return dict(rows(self._read, "SELECT reason, events FROM refused ORDER BY reason"))

    async def close(self) -> None:
        await self._writer.close()
        self._read.close()
        self._written.close()

    def _perform(self, jobs: list[_Append]) -> list[object]:
        events = tuple(body for job in jobs for body in job.events)
        if any(job.refused for job in jobs):
            with transaction(self._written):
                self._insert(events)
                for job in jobs:
                    self._count(job.refused)
        else:
            self._insert(events)  # one statement is a transaction by itself
        positions, position = [], self._last() - len(events)
        for job in jobs:
            position += len(job.events)
            positions.append(position)
        return list(positions)

    def _insert(self, events: tuple[bytes, ...]) -> None:
        if events:
            self._written.execute("INSERT INTO events (body) SELECT value FROM carray(?)", (apsw.carray(events),))

    def _count(self, refused: Mapping[str, int]) -> None:
        self._written.executemany(
            "INSERT INTO refused VALUES (?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
            refused.items(),
        )

    def _last(self) -> int:
        return value(self._written, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") or 0
