"""Known and Told in SQL: what the core reads, and what it writes as a few large statements of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from hogline.core.changes import MOST_FREED, Flush, HeldEvent, Intent, Settlement
from hogline.core.known import Id, Person
from hogline.core.ledger import LedgerRow
from hogline.core.told import WAITS_MS, Told
from hogline.store.base import READ_BYTES
from hogline.store.packing import (
    LEFT,
    pack_people,
    pack_person,
    pack_row,
    pack_told,
    unpack_id,
    unpack_person,
    unpack_row,
    unpack_told,
)
from hogline.store.postgresql.link import Link, Row, Values, execute, rows
from hogline.store.postgresql.queries import queries
from hogline.store.shared import Contended

SQL = queries("records")

Write = Callable[[Link], None]
Rows: TypeAlias = Callable[[bytes, Values], list[Row]]
"""Runs a query and returns all its rows."""


class RecordReader:
    """Reads for the core, each in one round trip, in the caller's thread."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def _of(self, name: str, names: Sequence[str], connection: int = 0) -> list[Row]:
        return self._rows(SQL[name], {"names": list(names), "connection": connection}) if names else []

    def ids(self, ids: Sequence[str]) -> dict[str, Id]:
        return {one: unpack_id(*rest) for one, *rest in self._of("ids", ids)}

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        return {one: unpack_person(one, body) for one, body in self._of("people", ids)}

    def members(self, id_: str) -> list[str]:
        return [one for (one,) in self._rows(SQL["members"], {"name": id_})]

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]:
        return {one: unpack_told(one, body, due) for one, body, due in self._of("told", people, connection)}

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, LedgerRow]:
        return {one: unpack_row(*rest) for one, *rest in self._of("ledger", emails, connection)}

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        if not people:
            return []
        given = {"connection": connection, "names": list(people), "most_bytes": READ_BYTES}
        return [
            HeldEvent(position=row[0], distinct_id=row[1], received_ms=row[2], event=row[3])
            for row in self._rows(SQL["held"], given)
        ]

    def folded(self) -> int:
        return int(self._rows(SQL["folded"], {})[0][0])

    def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        found = self._rows(SQL["due"], {"connection": connection, "never_ms": WAITS_MS, "most": limit})
        return [(person, due_ms) for person, due_ms in found]

    def again(self, connection: int, limit: int) -> list[tuple[str, str]]:
        found = self._rows(SQL["again"], {"connection": connection, "most": limit})
        return [(kind, person) for kind, person in found]

    def settled_before(self, connection: int) -> tuple[int, frozenset[int]]:
        """See `store.base.State.settled_before`."""
        found = self._rows(SQL["settled_before"], {"connection": connection})
        if not found:
            return 0, frozenset()
        last, positions = found[0]
        return last, msgspec.msgpack.decode(positions, type=frozenset[int])


def folded_or_none(text: str | None) -> str | None:
    """A text in comparable case, where that is different."""
    if text is None or (small := text.casefold()) == text:
        return None
    return small


def flush(flushed: Flush) -> Write:
    """Writes what changed in Known."""
    statements: list[tuple[bytes, Values]] = []
    if flushed.people:
        emails = [person.email.lower() if person.email else None for person in flushed.people.values()]
        known = {
            "ids": list(flushed.people),
            "emails": emails,
            "folded": [folded_or_none(one) for one in flushed.people],
            "folded_emails": [folded_or_none(email) for email in emails],
            "known": [pack_person(person) for person in flushed.people.values()],
        }
        statements.append((SQL["put_known"], known))
    if flushed.ids:
        ids = {
            "ids": list(flushed.ids),
            "folded": [folded_or_none(one) for one in flushed.ids],
            "parents": [joined.parent for joined in flushed.ids.values()],
            "since": [joined.since for joined in flushed.ids.values()],
            "depths": [joined.depth for joined in flushed.ids.values()],
            "people": [pack_people(joined.people) for joined in flushed.ids.values()],
        }
        statements.append((SQL["put_ids"], ids))
    if flushed.seen:
        statements.append((SQL["put_seen"], {"ids": list(flushed.seen), "days": list(flushed.seen.values())}))
    statements.append((SQL["put_folded"], {"position": flushed.folded}))
    return _all_of(statements)


def _all_of(statements: Sequence[tuple[bytes, Values]]) -> Write:
    def write(link: Link) -> None:
        for sql, values in statements:
            execute(link, sql, values)

    return write


def intend(intent: Intent, link: Link) -> None:
    """Raises `Contended`."""
    if intent.expected is not None:
        others = _different(link, intent.connection, intent.expected)
        if others:
            raise Contended(others)
    change(intent.connection, intent.told, intent.ledger)(link)


def settle(settlement: Settlement, link: Link) -> None:
    """What was told, and whose the emails are."""
    ledger = settlement.ledger
    if settlement.expected:
        others = _different(link, settlement.connection, settlement.expected)
        ledger = {name: row for name, row in ledger.items() if name not in others}
    change(settlement.connection, settlement.told, ledger)(link)


def _different(link: Link, connection: int, expected: Mapping[str, LedgerRow | None]) -> dict[str, LedgerRow | None]:
    """Rows that are not as expected, as they are."""
    found = rows(link, SQL["ledger"], {"connection": connection, "names": list(expected)})
    there = {name: unpack_row(*rest) for name, *rest in found}
    return {name: there.get(name) for name, row in expected.items() if there.get(name) != row}


def change(connection: int, told: Mapping[str, Told | None], ledger: Mapping[str, LedgerRow | None]) -> Write:
    """Writes what was told about people, and whose the emails are."""
    statements: list[tuple[bytes, Values]] = []
    if put := {one: value for one, value in told.items() if value is not None}:
        values: dict[str, object] = {
            "people": list(put),
            "folded": [folded_or_none(one) for one in put],
            "bodies": [pack_told(one, value) for one, value in put.items()],
            "due": [value.due_ms for value in put.values()],
        }
        statements.append((SQL["put_told"], values))
    if gone := [one for one, value in told.items() if value is None]:
        statements.append((SQL["end_told"], {"names": gone}))
    if put_rows := [(email, *pack_row(row)) for email, row in ledger.items() if row is not None]:
        columns = ("emails", "people", "states", "kinds", "values", "others")
        values = {name: list(column) for name, column in zip(columns, zip(*put_rows, strict=True), strict=True)}
        values["others"] = [int(others) for *_, others in put_rows]
        statements.append((SQL["put_ledger"], values))
    if gone := [email for email, row in ledger.items() if row is None]:
        statements.append((SQL["end_ledger"], {"names": gone}))
    return _all_of([(sql, {**values, "connection": connection}) for sql, values in statements])


def put_again(link: Link, connection: int, kind: str, people: Sequence[str]) -> None:
    if people:
        execute(link, SQL["put_again"], {"connection": connection, "kind": kind, "names": list(people)})


def put_denied(link: Link, connection: int, denied: Mapping[str, str]) -> None:
    """People whose email is free after all are looked at again."""
    if denied:
        given = {"connection": connection, "people": list(denied), "emails": list(denied.values()), "left": LEFT}
        execute(link, SQL["put_denied"], given)


def put_freed(link: Link, connection: int, emails: Sequence[str]) -> None:
    """Whom this connection told something and who is known by one of these emails is looked at again, `MOST_FREED` for
    each."""
    if emails:
        execute(link, SQL["put_freed"], {"connection": connection, "emails": list(emails), "most": MOST_FREED})


def end_again(link: Link, connection: int, done: Sequence[tuple[str, str]]) -> None:
    if done:
        given = {"kinds": [kind for kind, _ in done], "names": [person for _, person in done]}
        execute(link, SQL["end_again"], {"connection": connection, **given})
