"""PostHog's export of people: whose each distinct_id is, and what PostHog knows of them, as events that say so.

A row is a distinct_id with its person, as of a version. The newest version counts, never the order of rows. Deleted
people say nothing, and their events are not sent. Source: PostHog's `products/batch_exports`, the model `persons`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hogline.backfill.sorter import MOST_RUNS, Sorter
from hogline.model import Event
from hogline.posthog.bounds import NotJson
from hogline.posthog.identity import is_uuid, uuid_of
from hogline.posthog.received import encode_repaired
from hogline.posthog.repair import decode
from hogline.posthog.times import known_time

DELETED = "person_deleted"

_VERSION = struct.Struct(">Q")
_PLACES = struct.Struct(">LL")
"""The bytes of the head, and of the numbers behind it."""
_SORT_BYTES = 16 * 1024 * 1024


class PersonRow(Struct, frozen=True, array_like=True):
    distinct_id: str
    person_id: str
    properties: dict[str, object]
    id_version: int
    """Of the mapping from distinct_id to person."""
    person_version: int
    deleted: bool
    changed_ms: int
    """When PostHog stored this version of the person; 0: not known."""
    created_ms: int


class NoPerson(Exception):
    """The text is a sentence: why a row says nothing of anybody."""


def is_person(row: Mapping[str, object]) -> bool:
    """Whether a row is of this export, and not an event."""
    names = {name.lower() for name in row}
    return "event" not in names and {"distinct_id", "person_id", "person_version"} <= names


def read_person(values: Mapping[str, object]) -> PersonRow:
    """Raises `NoPerson`."""
    row = {name.lower(): value for name, value in values.items()}
    distinct_id, person_id = row.get("distinct_id"), row.get("person_id")
    if not isinstance(distinct_id, str) or not distinct_id.strip():
        raise NoPerson("The row has no `distinct_id`.")
    if not isinstance(person_id, str) or not person_id:
        raise NoPerson("The row has no `person_id`.")
    return PersonRow(
        distinct_id,
        person_id,
        _properties(row.get("properties")),
        _whole(row.get("person_distinct_id_version"), "person_distinct_id_version"),
        _whole(row.get("person_version"), "person_version"),
        row.get("is_deleted") in {True, "true", "1", "t"},
        _time_ms(row.get("_inserted_at")),
        _time_ms(row.get("created_at")),
    )


def _properties(value: object) -> dict[str, object]:
    if isinstance(value, str):
        try:
            value = decode(value.encode("utf-8", "surrogatepass")).value if value.strip() else None
        except NotJson as wrong:
            raise NoPerson(f"`properties`: {wrong.sentence}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NoPerson("`properties` must be an object.")
    return {str(name): each for name, each in value.items()}


def _whole(value: object, name: str) -> int:
    try:
        number = int(value) if isinstance(value, (int, str, float)) and value != "" else 0
    except (ValueError, OverflowError):
        raise NoPerson(f"`{name}` must be a whole number.") from None
    return min(max(number, 0), 2**63)


def _time_ms(value: object) -> int:
    return (known_time(value) or 0) if value is not None else 0


class Persons:
    """Takes rows, then says once what they come to."""

    def __init__(self, folder: Path, *, shared_by: int = 1) -> None:
        """`shared_by`: so many processes share the memory and the open files."""
        self._folder = folder
        self._by_id = Sorter(folder, memory_bytes=_SORT_BYTES // shared_by, most_runs=MOST_RUNS // shared_by)
        self.rows = 0
        self.deleted: set[int] = set()
        """Hashes of the ids of deleted people."""

    def add(self, row: PersonRow) -> None:
        self.rows += 1
        self._by_id.add(_record(row.distinct_id, (row.id_version, row.person_version), row))

    def give(self) -> list[int]:
        """As `Sorter.give`."""
        return self._by_id.give()

    def take(self, descriptors: Iterable[int]) -> None:
        """As `Sorter.take`."""
        self._by_id.take(descriptors)

    def is_deleted(self, distinct_id: str) -> bool:
        return bool(self.deleted) and hash(distinct_id) in self.deleted

    def people(self) -> Iterator[tuple[PersonRow, list[PersonRow]]]:
        """Each person once: the newest row of theirs, and the rows that say which ids are theirs."""
        with self._by_id, Sorter(self._folder, memory_bytes=_SORT_BYTES) as by_person:
            for _, records in groupby(self._by_id.in_order(), _head_of):
                rows = [_row_of(record) for record in records]
                for row in rows:
                    by_person.add(_record(row.person_id, (row.person_version, row.deleted, row is rows[-1]), row))
            for _, records in groupby(by_person.in_order(), _head_of):
                found = [(_row_of(record), _is_newest_of_id(record)) for record in records]
                newest = found[-1][0]
                mine = [row for row, is_theirs in found if is_theirs]
                if mine:
                    yield newest, mine

    def bodies(self, received_ms: int) -> Iterator[bytes]:
        """What the rows say, as the journal keeps it: joins, and attributes as of when they were stored."""
        for newest, mine in self.people():
            if newest.deleted:
                self.deleted.update(hash(row.distinct_id) for row in mine)
            else:
                for event in events_of(newest, [row.distinct_id for row in sorted(mine, key=_order)], received_ms):
                    yield encode_repaired(event).body


def events_of(newest: PersonRow, ids: Sequence[str], received_ms: int) -> Iterator[Event]:
    """The first of the ids names the person. A person with several ids was identified: PostHog joins no others."""
    at_ms = min(newest.changed_ms or newest.created_ms, received_ms)
    own = {name: value for name, value in newest.properties.items() if not name.startswith("$")}
    main, *others = ids

    def event(name: str, what: str, properties: dict[str, object]) -> Event:
        uuid = uuid_of(newest.person_id.encode(), b"%d" % newest.person_version, what.encode("utf-8", "surrogatepass"))
        return Event(uuid, name, main, at_ms, received_ms, properties)

    for other in others:
        yield event("$merge_dangerously", other, {"alias": other, "$is_identified": True})
    if newest.properties:
        yield replace(event("$set", "", {}), set=own, person_properties=newest.properties)


def _order(row: PersonRow) -> tuple[bool, int, str]:
    """A visitor's id, which is a UUID, names nobody who has another."""
    return is_uuid(row.distinct_id), row.id_version, row.distinct_id


_row = msgspec.msgpack.Decoder(PersonRow)


def _record(head: str, order: Sequence[int], row: PersonRow) -> bytes:
    """Sorted by its head, then by these numbers."""
    packed = head.encode("utf-8", "surrogatepass")
    numbers = b"".join(map(_VERSION.pack, order))
    return packed + b"\0" + numbers + msgspec.msgpack.encode(row) + _PLACES.pack(len(packed), len(numbers))


def _head_of(record: bytes) -> bytes:
    return record[: _PLACES.unpack_from(record, len(record) - _PLACES.size)[0]]


def _row_of(record: bytes) -> PersonRow:
    head, numbers = _PLACES.unpack_from(record, len(record) - _PLACES.size)
    return _row.decode(memoryview(record)[head + 1 + numbers : -_PLACES.size])


def _is_newest_of_id(record: bytes) -> bool:
    head, numbers = _PLACES.unpack_from(record, len(record) - _PLACES.size)
    (is_newest,) = _VERSION.unpack_from(record, head + 1 + numbers - _VERSION.size)
    return bool(is_newest)
