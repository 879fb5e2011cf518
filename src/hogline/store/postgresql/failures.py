"""Failures and replays in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from hogline.core.changes import Failure
from hogline.model import Refusal
from hogline.store.base import ALWAYS, READ_BYTES, Replay, Span
from hogline.store.postgresql.link import Link, Row, Values, execute, firsts, rows
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.settling import count, note_change

T = TypeVar("T")

SQL = queries("state")

_refusals = msgspec.json.Decoder(tuple[Refusal, ...])


class PostgresqlFailures:
    """The part of `PostgresqlState` about what failed and what is sent once more."""

    async def _write(self, job: Callable[[Link], T]) -> T:
        raise NotImplementedError

    async def _read(self, query: bytes, values: Values | None = None) -> list[Row]:
        raise NotImplementedError

    async def failures(
        self,
        connection: int,
        *,
        after: int = 0,
        limit: int = 100,
        reason: str = "",
        retrying: bool = False,
        before: int | None = None,
        within: Span = ALWAYS,
        most_bytes: int = READ_BYTES,
    ) -> list[Failure]:
        given = {
            **_chosen(connection, reason, None, within),
            "after": after,
            "most": limit,
            "retrying": retrying,
            "most_bytes": most_bytes,
        }
        if before is None:
            found = await self._read(SQL["failures"], given)
        else:
            found = await self._read(SQL["failures_before"], {**given, "before": before})
        return [_failure(row) for row in found]

    async def failure(self, connection: int, position: int) -> Failure | None:
        found = await self._read(SQL["failure"], {"connection": connection, "position": position})
        return _failure(found[0]) if found else None

    async def failure_counts(self, connection: int, within: Span = ALWAYS) -> dict[str, int]:
        found = await self._read(SQL["failure_counts"], _chosen(connection, "", None, within))
        return dict(found)

    async def retry_failures(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None, within: Span = ALWAYS
    ) -> list[int]:
        chosen = _chosen(connection, reason, positions, within)
        return await self._write(lambda link: sorted(firsts(rows(link, SQL["retry"], chosen))))

    async def discard_failures(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None, within: Span = ALWAYS
    ) -> int:
        chosen = _chosen(connection, reason, positions, within)

        def discard(link: Link) -> int:
            discarded = sorted(firsts(rows(link, SQL["discard"], chosen)))
            count(link, connection, [("filtered", "discarded", len(discarded))])
            note_change(link, connection, discarded, ("filtered", "discarded"))
            return len(discarded)

        return await self._write(discard)

    async def replay(self, connection: int) -> Replay | None:
        found = await self._read(SQL["replay"], {"connection": connection})
        if not found:
            return None
        settled, last, events = found[0]
        return Replay(settled=settled, last=last, events=msgspec.json.decode(events, type=tuple[str, ...]))

    async def begin_replay(self, connection: int, replay: Replay) -> None:
        events = msgspec.json.encode(replay.events).decode()
        given = {"connection": connection, "settled": replay.settled, "last": replay.last, "events": events}
        await self._write(lambda link: execute(link, SQL["begin_replay"], given))


def _failure(row: Row) -> Failure:
    position, uuid, event, refusals, at_ms = row
    return Failure(position=position, uuid=uuid, event=event, refusals=_refusals.decode(refusals), at_ms=at_ms)


def _chosen(connection: int, reason: str, positions: Sequence[int] | None, within: Span) -> dict[str, object]:
    return {
        "connection": connection,
        "reason": reason,
        "positions": None if positions is None else list(positions),
        "since_ms": within.since_ms,
        "until_ms": within.until_ms,
    }
