"""PostHog's export of people: which row counts, what it says, and what cannot be read."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hogline.backfill.persons import NoPerson, PersonRow, Persons, is_person, read_person
from hogline.model import Event
from hogline.posthog.entry import decode_event

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
NOW_MS = 2_000


def row(id_: str, person: str = "p1", *, version: int = 1, id_version: int = 1, **more: object) -> PersonRow:
    values = {"distinct_id": id_, "person_id": person, "person_version": version}
    return read_person({**values, "person_distinct_id_version": id_version, "properties": "{}", **more})


def said(folder: Path, *rows: PersonRow) -> tuple[list[Event], Persons]:
    persons = Persons(folder)
    for one in Random(len(rows)).sample(rows, len(rows)):
        persons.add(one)
    return [decode_event(body) for body in persons.bodies(NOW_MS)], persons


def test_all_ids_of_a_person_are_joined_to_the_one_that_is_no_uuid(tmp_path: Path) -> None:
    events, _ = said(tmp_path, row(UUID), row("ann"), row("ann-2", id_version=3), row("bob", "p2"))
    assert {(one.name, one.distinct_id, one.properties["alias"]) for one in events} == {
        ("$merge_dangerously", "ann", UUID),
        ("$merge_dangerously", "ann", "ann-2"),
    }
    assert all(one.properties["$is_identified"] for one in events)


def test_the_newest_version_says_the_properties_as_of_when_it_was_stored(tmp_path: Path) -> None:
    events, _ = said(
        tmp_path,
        row("ann", version=2, properties='{"plan": "pro", "$browser": "Firefox"}', _inserted_at="1970-01-01T00:00:01Z"),
        row("ann", version=1, properties='{"plan": "free"}'),
    )
    (event,) = events
    assert (event.name, event.set, event.timestamp_ms) == ("$set", {"plan": "pro"}, 1_000)
    assert event.person_properties == {"plan": "pro", "$browser": "Firefox"}


def test_an_id_belongs_to_whom_its_newest_row_says(tmp_path: Path) -> None:
    events, _ = said(tmp_path, row("v", "p1"), row("v", "p2", id_version=2), row("ann", "p2"), row("old", "p1"))
    assert [(one.distinct_id, one.properties["alias"]) for one in events] == [("ann", "v")]


def test_deleted_people_say_nothing_unless_a_newer_version_is_there(tmp_path: Path) -> None:
    events, persons = said(
        tmp_path,
        row("ann", version=103, properties='{"plan": "pro"}', is_deleted=True),
        row("ann", version=3, properties='{"plan": "pro"}'),
        row("bob", "p2", version=5, is_deleted="false", properties='{"plan": "free"}'),
        row("bob", "p2", version=4, is_deleted=1),
    )
    assert [one.distinct_id for one in events] == ["bob"]
    assert (persons.is_deleted("ann"), persons.is_deleted("bob")) == (True, False)


@pytest.mark.parametrize(
    "values",
    [
        {"distinct_id": "", "person_id": "p"},
        {"distinct_id": 7, "person_id": "p"},
        {"distinct_id": "u", "person_id": None},
        {"distinct_id": "u", "person_id": "p", "properties": "{"},
        {"distinct_id": "u", "person_id": "p", "properties": "[]"},
        {"distinct_id": "u", "person_id": "p", "person_version": "x"},
    ],
)
def test_a_row_that_says_nothing_of_anybody_says_why(values: dict[str, object]) -> None:
    with pytest.raises(NoPerson, match=r"\w"):
        read_person({"person_version": 1, **values})


def test_columns_are_recognised_in_any_case_and_may_be_null() -> None:
    names = {"DISTINCT_ID": "u", "PERSON_ID": "p", "PERSON_VERSION": None, "PROPERTIES": None}
    assert is_person(names)
    assert read_person(names) == PersonRow("u", "p", {}, 0, 0, deleted=False, changed_ms=0, created_ms=0)
    assert not is_person({"event": "x", "distinct_id": "u", "person_id": "p", "person_version": 1})
