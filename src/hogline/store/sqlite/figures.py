"""Figures over time in a separate SQLite file, so that settling never waits for them, and they never wait for settling.

A figure is added to its minute and its hour at the same time, so nothing has to be summed up later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import apsw
import msgspec

from hogline.store.figures import HOUR_S, HOURS_KEPT_S, MINUTE_S, MINUTES_KEPT_S, PEAKS, Figure, Point
from hogline.store.sqlite.database import open_database, reading, rows, touch, transaction, trouble_of
from hogline.store.writer import Writer

_TABLES = (("minutes", MINUTE_S, MINUTES_KEPT_S), ("hours", HOUR_S, HOURS_KEPT_S))
"""Each with the length of its periods and how long to keep them, in seconds."""

_IS_PEAK = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in sorted(PEAKS)))

_Job = Callable[[apsw.Connection], object]


class SqliteFigures:
    """Implements `store.figures.Figures`."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        """Raises `Unusable`. Create it in the running event loop."""
        self._written = open_database(path, "history", vfs)
        self._read = open_database(path, "history", vfs)
        self._writer: Writer[_Job] = Writer(
            self._perform, name="history-writer", probe=partial(touch, self._written), trouble_of=trouble_of
        )

    def _perform(self, jobs: list[_Job]) -> list[object]:
        with transaction(self._written):
            return [job(self._written) for job in jobs]

    async def add(self, figures: Sequence[Figure], at_s: int) -> None:
        added = [(figure.connection, figure.kind, figure.reason, figure.n) for figure in figures if figure.n]
        as_json = msgspec.json.encode(added).decode()

        def write(database: apsw.Connection) -> None:
            for table, length_s, kept_s in _TABLES:
                database.execute(
                    f"INSERT INTO {table} SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3"  # noqa: S608  # names are ours
                    " FROM json_each(?2) WHERE true ON CONFLICT DO UPDATE SET"
                    f" n = CASE WHEN {_IS_PEAK} THEN max(n, excluded.n) ELSE n + excluded.n END",
                    (at_s - at_s % length_s, as_json),
                )
                database.execute(f"DELETE FROM {table} WHERE at < ?", (at_s - kept_s,))  # noqa: S608  # as above

        await self._writer.write(write)

    async def read(self, connection: int, *, since_s: int, until_s: int, step_s: int) -> list[Point]:
        table = "minutes" if step_s < HOUR_S else "hours"
        with reading():
            found = rows(
                self._read,
                f"SELECT at - at % ?4 AS step, kind, reason, CASE WHEN {_IS_PEAK} THEN max(n) ELSE sum(n) END"  # noqa: S608  # as above
                f" FROM {table} WHERE at >= ?2 AND at < ?3 AND connection = ?1 GROUP BY step, kind, reason",
                (connection, since_s, until_s, step_s),
            )
        return [Point(*row) for row in found]

    async def keep_only(self, connections: Collection[int]) -> None:
        kept = msgspec.json.encode(sorted(connections)).decode()

        def forget(database: apsw.Connection) -> None:
            for table, _, _ in _TABLES:
                database.execute(
                    f"DELETE FROM {table} WHERE connection NOT IN (SELECT value FROM json_each(?))",  # noqa: S608  # as above
                    (kept,),
                )

        await self._writer.write(forget)

    async def close(self) -> None:
        await self._writer.close()
        self._read.close()
        self._written.close()
