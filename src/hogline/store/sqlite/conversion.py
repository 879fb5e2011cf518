"""Converts a state from the time before Known and Told. Runs once, in the transaction of its schema step; if it is
interrupted, it starts over.

What each connection remembered of a person becomes facts of the project, with the times of their newest attributes and
position 0. What was accepted or rejected becomes what that connection told, with marks at position 0. So nothing is
sent again, and an event that is read again teaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import apsw
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hogline.core.known import EVER, Fact, Flush, Id, Person
from hogline.core.lanes import LANES, lane_of
from hogline.core.ledger import LedgerRow
from hogline.core.sync import fingerprint
from hogline.core.told import MOST_GONE, MOST_RECENT, NOBODY, WAITS_MS, Customer, Mark, Recent, Told
from hogline.emails import address
from hogline.model import Identifier, IdentifierKind
from hogline.posthog.entry import decode_entry
from hogline.store.sqlite import records
from hogline.store.sqlite.database import rows, value
from hogline.store.sqlite.old_routes import OldRoutes

AT_ONCE = 5_000


class _Identifier(Struct):
    kind: IdentifierKind
    value: str

    @property
    def key(self) -> Identifier:
        return Identifier(self.kind, self.value).key


class OldPerson(Struct, kw_only=True):
    """What one connection remembered of one distinct_id."""

    distinct_id: str
    joined_into: str | None = None
    identified: bool = False
    email: str | None = None
    customer: _Identifier | None = None
    linked_email: str | None = None
    claimed_email: str | None = None
    to_merge: tuple[_Identifier, ...] = ()
    merged: tuple[_Identifier, ...] = ()
    not_merged: tuple[_Identifier, ...] = ()
    anonymous_ids: tuple[str, ...] = ()
    relationships: tuple[str, ...] = ()
    due_ms: int = 0
    has_held: bool = False
    recent: tuple[int | tuple[int, str], ...] = ()
    accepted: dict[str, object] = {}
    unsent: dict[str, object] = {}
    refused: dict[str, object] = {}
    attributes_ms: int | None = None
    last_seen_ms: int = 0


_old = msgspec.json.Decoder(OldPerson).decode


def convert(database: apsw.Connection, *, journal: Path) -> None:
    """`journal`: the journal's file, which is only read."""
    connections = [row[0] for row in rows(database, "SELECT id FROM connections ORDER BY id DESC")]
    roots: dict[str, str] = {}
    for connection in connections:
        for one, into in rows(
            database,
            "SELECT distinct_id, joined_into FROM people WHERE connection = ? AND joined_into IS NOT NULL",
            (connection,),
        ):
            roots.setdefault(one, into)
    groups = {one: _root(one, roots) for one in roots}
    groups = {one: root for one, root in groups.items() if root != one}
    for connection in connections:
        _convert_people(database, connection, groups)
        _convert_held(database, connection, groups)
    _write_groups(database, groups)
    settled = [_convert_lanes(database, connection, journal) for connection in connections]
    records.set_folded(database, min(settled, default=_end_of(journal)))
    for table in ("people", "routes", "emails", "due"):
        database.execute(f"DROP TABLE {table}")


def _root(one: str, roots: Mapping[str, str]) -> str:
    seen = set()
    while one in roots and one not in seen:
        seen.add(one)
        one = roots[one]
    return one


def _write_groups(database: apsw.Connection, groups: Mapping[str, str]) -> None:
    """Merged before anything that still has to be read."""
    ids = {one: Id(root, 0, 0, ()) for one, root in groups.items()}
    ids |= {root: Id(None, 0, 1, ((0, root),)) for root in set(groups.values())}
    records.flush(Flush(ids, {}, 0))(database)


# people


def _convert_people(database: apsw.Connection, connection: int, groups: Mapping[str, str]) -> None:
    """What one connection remembered. The newest connection comes first, and its knowledge wins."""
    after = ""
    owners = dict(rows(database, "SELECT email, distinct_id FROM emails WHERE connection = ?", (connection,)))
    due = dict(rows(database, "SELECT distinct_id, at_ms FROM due WHERE connection = ?", (connection,)))
    reader = records.RecordReader(database)
    theirs = _emails_by_owner(owners)
    while some := rows(
        database,
        "SELECT distinct_id, person FROM people WHERE connection = ? AND distinct_id > ? ORDER BY distinct_id LIMIT ?",
        (connection, after, AT_ONCE),
    ):
        after = some[-1][0]
        names = [name for name, _ in some]
        people_before = reader.people(names)
        told_before = reader.told(connection, list({groups.get(name, name) for name in names}))
        people: dict[str, Person] = {}
        told: dict[str, Told | None] = {}
        ledger: dict[str, LedgerRow | None] = {}
        for name, text in some:
            old = _old(text)
            root = groups.get(name, name)
            if root == name:
                known = _known(old)
                before = people_before.get(name)
                if before is not None or _is_worth_keeping(known):
                    people[name] = known if before is None else _filled(before, known)
            elif old.joined_into is not None or old.customer is None:
                continue  # part of another person here too: what was theirs belongs to that one
            new, its_rows = _told(old, theirs.get(name, ()), root)
            new = replace(new, due_ms=_due_ms(new, due.get(name, 0)))
            before_told = told.get(root) or told_before.get(root)
            told[root] = new if before_told is None else _both(before_told, new, stays=root == name)
            ledger |= its_rows
        records.flush(Flush({}, people, 0))(database)
        records.change(connection, {one: its for one, its in told.items() if its != NOBODY}, ledger)(database)


def _emails_by_owner(owners: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for email, owner in owners.items():
        found.setdefault(owner, []).append(email)
    return found


def _known(old: OldPerson) -> Person:
    ms = old.attributes_ms or 0
    values = {**old.accepted, **old.refused, **old.unsent}
    facts = {name: Fact(one, ms, 0) for name, one in values.items()}
    if "email" not in facts and old.email is not None and old.email != address(old.distinct_id):
        facts["email"] = Fact(old.email, ms, 0)
    emailed = old.email is not None or old.linked_email is not None or old.claimed_email is not None
    emailed = emailed or address(old.distinct_id) is not None
    return Person(
        old.distinct_id,
        facts,
        0 if old.identified else EVER,
        0 if emailed else EVER,
        protected=old.identified,
    )


def _is_worth_keeping(person: Person) -> bool:
    return bool(person.facts or person.protected)


def _filled(person: Person, other: Person) -> Person:
    """The person as another connection knows them, completed with what that one lacks."""
    return replace(
        person,
        facts={**other.facts, **person.facts},
        identified_at=min(person.identified_at, other.identified_at),
        emailed_at=min(person.emailed_at, other.emailed_at),
        protected=person.protected or other.protected,
    )


def _told(old: OldPerson, emails: Iterable[str], person: str) -> tuple[Told, dict[str, LedgerRow | None]]:
    """What the connection told about a person, and the rows of their emails."""
    main = _main(old)
    others = [Customer(one.kind, one.value, "accepted") for one in old.to_merge]
    others += [Customer(one.kind, one.value, "kept") for one in old.not_merged]
    recent: tuple[Recent, ...] = old.recent
    told = Told(
        main,
        tuple(others),
        tuple(one.key for one in old.merged[-MOST_GONE:]),
        anonymous=old.anonymous_ids,
        has_held=old.has_held,
        recent=recent,
    )
    ledger: dict[str, LedgerRow | None] = {}
    for email in emails:
        ledger[email] = _row(email, told, person)
    return replace(told, emails=tuple(ledger)), ledger


def _main(old: OldPerson) -> Customer | None:
    if old.customer is None:
        return None
    said = {name: one for name, one in old.accepted.items() if name != "email"}
    names = {name: Mark(0, fingerprint(one)) for name, one in said.items()}
    refused = {name: Mark(0, fingerprint(one)) for name, one in old.refused.items()}
    email = old.linked_email.lower() if old.linked_email is not None and old.customer.kind == "id" else None
    return Customer(
        old.customer.kind,
        old.customer.value,
        "accepted",
        email,
        names,
        refused,
        max(old.attributes_ms or 0, old.last_seen_ms) // 1_000,
        old.relationships,
    )


def _row(email: str, told: Told, person: str) -> LedgerRow:
    """Whose an email is that identified a person."""
    key = Identifier("email", email)
    if any(one.key == key for one in told.customers):
        return LedgerRow(person, "accepted", key, others=0)
    main = told.main
    if main is None:
        return LedgerRow(person, "wanted", key, others=0)
    linked = main.kind == "id" and main.email == email
    return LedgerRow(person, "accepted" if linked else "wanted", main.key, others=0)


def _due_ms(told: Told, due_ms: int) -> int:
    waiting = told.main is not None and any(one.state != "kept" for one in told.others)
    return due_ms or (WAITS_MS if waiting else 0)


def _both(one: Told, other: Told, *, stays: bool) -> Told:
    """Two people of a connection whom another connection knows to be one. `stays`: the second one stays."""
    told, part = (other, one) if stays else (one, other)
    main = told.main
    others = (*told.others, *(part.customers if main is not None else part.others))
    main = main or part.main
    return replace(
        told,
        main=main,
        others=others,
        emails=tuple(dict.fromkeys((*told.emails, *part.emails))),
        anonymous=tuple(dict.fromkeys((*told.anonymous, *part.anonymous))),
        gone=(*told.gone, *part.gone)[-MOST_GONE:],
        has_held=told.has_held or part.has_held,
        due_ms=told.due_ms or part.due_ms or (1 if others and main is not None else 0),
        recent=(*told.recent, *part.recent)[-MOST_RECENT:],
    )


def _convert_held(database: apsw.Connection, connection: int, groups: Mapping[str, str]) -> None:
    """Whose held events are whose now. For most ids, nothing else was stored. Someone who belongs to another person by
    what another connection knows may qualify by that."""
    holders = [
        one for (one,) in rows(database, "SELECT DISTINCT distinct_id FROM held WHERE connection = ?", (connection,))
    ]
    joined = [one for one in holders if one in groups]
    # SQLite would otherwise look through everything the connection holds, for each.
    database.executemany(
        "UPDATE held INDEXED BY held_by_person SET distinct_id = ?3 WHERE connection = ?1 AND distinct_id = ?2",
        [(connection, one, groups[one]) for one in joined],
    )
    records.put_again(database, connection, "release", sorted({groups[one] for one in joined}))
    reader = records.RecordReader(database)
    owners = sorted({groups.get(one, one) for one in holders})
    for first in range(0, len(owners), AT_ONCE):
        some = owners[first : first + AT_ONCE]
        told = reader.told(connection, some)
        records.change(connection, {one: replace(told.get(one, NOBODY), has_held=True) for one in some}, {})(database)


# positions


def _end_of(journal: Path) -> int:
    if not journal.exists():
        return 0
    events = _reading(journal)
    try:
        found: int | None = value(events, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")
    finally:
        events.close()
    return found or 0


def _reading(journal: Path) -> apsw.Connection:
    return apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READWRITE)


def _convert_lanes(database: apsw.Connection, connection: int, journal: Path) -> int:
    """Ids that were never merged used to share a lane anyway. So this notes once which events of the journal are
    settled, and all lanes start after the first one that is not. Returns that position."""
    start: int = value(database, "SELECT start FROM connections WHERE id = ?", (connection,))
    lanes = dict(rows(database, "SELECT lane, position FROM lanes WHERE connection = ?", (connection,)))
    settled = {number: lanes.get(number, start) for number in range(LANES)}
    first: int = min(settled.values())
    last: int = max(settled.values())
    if first == last or not journal.exists():
        return first
    routes = OldRoutes(database, connection)
    positions = []
    events = _reading(journal)
    try:
        for position, body in events.execute(
            "SELECT position, body FROM events WHERE position > ? AND position <= ?", (first, last)
        ):
            if position <= settled[lane_of(routes.group_of(position, decode_entry(body)))]:
                positions.append(position)
    finally:
        events.close()
    database.execute("DELETE FROM lanes WHERE connection = ?", (connection,))
    database.executemany("INSERT INTO lanes VALUES (?, ?, ?)", [(connection, number, first) for number in settled])
    packed = msgspec.msgpack.encode(positions)
    database.execute("INSERT INTO settled_before VALUES (?, ?, ?)", (connection, last, packed))
    return first
