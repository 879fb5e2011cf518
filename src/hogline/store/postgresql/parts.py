"""What processes read that deliver a part of a connection: how far the others are, and which events are theirs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hogline.core.share import Far
from hogline.core.sheets import Sheet
from hogline.store.postgresql.link import Link, Row, Values, execute
from hogline.store.postgresql.queries import queries

SQL = queries("parts")

_left = msgspec.msgpack.Decoder(dict[int, int])


class PostgresqlParts:
    """The part of `PostgresqlState` that is only for those."""

    async def _read(self, query: bytes, values: Values | None = None) -> list[Row]:
        raise NotImplementedError

    async def far(self, connection: int) -> dict[int, Far]:
        """How far all lanes of a connection are, its own and those of others."""
        found = await self._read(SQL["far"], {"connection": connection})
        return {lane: Far(position, clear) for lane, position, clear in found}

    async def sheets(self, after: int, most: int) -> list[Sheet]:
        found = await self._read(SQL["sheets"], {"after": after, "most": most})
        return [Sheet(first, lanes, _left.decode(left)) for first, lanes, left in found]

    async def events_at(self, positions: Sequence[int], most_bytes: int) -> list[tuple[int, bytes]]:
        found = await self._read(SQL["events_at"], {"positions": list(positions), "most_bytes": most_bytes})
        return [(position, body) for position, body in found]


def put_sheets(link: Link, sheets: Sequence[Sheet]) -> None:
    if sheets:
        given = {
            "first": [one.first for one in sheets],
            "lanes": [one.lanes for one in sheets],
            "left": [msgspec.msgpack.encode(one.left) for one in sheets],
        }
        execute(link, SQL["put_sheets"], given)
