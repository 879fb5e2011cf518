"""Figures over time in PostgreSQL. Those of several processes add up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hogline.store.figures import HOUR_S, HOURS_KEPT_S, MINUTE_S, MINUTES_KEPT_S, PEAKS, Figure, Point
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.link import Link, execute
from hogline.store.postgresql.queries import queries

SQL = queries("figures")

_TABLES = (("minutes", MINUTE_S, MINUTES_KEPT_S), ("hours", HOUR_S, HOURS_KEPT_S))
"""Each with the length of its periods and how long to keep them, in seconds."""
_PEAKS = sorted(PEAKS)


class PostgresqlFigures:
    """Implements `store.figures.Figures`."""

    def __init__(self, aside: Aside) -> None:
        self._aside = aside

    async def add(self, figures: Sequence[Figure], at_s: int) -> None:
        added = [figure for figure in figures if figure.n]
        columns = {
            "connections": [figure.connection for figure in added],
            "kinds": [figure.kind for figure in added],
            "reasons": [figure.reason for figure in added],
            "ns": [figure.n for figure in added],
            "peaks": _PEAKS,
        }

        def write(link: Link) -> None:
            for table, length_s, kept_s in _TABLES:
                if added:
                    execute(link, _of(table, "add"), {"at": at_s - at_s % length_s, **columns})
                execute(link, _of(table, "trim"), {"at": at_s - kept_s})

        await self._aside.write(write)

    async def read(self, connection: int, *, since_s: int, until_s: int, step_s: int) -> list[Point]:
        table = "minutes" if step_s < HOUR_S else "hours"
        given = {"connection": connection, "since_s": since_s, "until_s": until_s, "step_s": step_s, "peaks": _PEAKS}
        return [Point(*row) for row in await self._aside.rows(_of(table, "read"), given)]

    async def keep_only(self, connections: Collection[int]) -> None:
        kept = {"kept": sorted(connections)}

        def forget(link: Link) -> None:
            for table, _, _ in _TABLES:
                execute(link, _of(table, "keep_only"), kept)

        await self._aside.write(forget)

    async def close(self) -> None:
        """The `Aside` is not ours to close."""


def _of(table: str, name: str) -> bytes:
    return SQL[name].replace(b"minutes", table.encode())
