"""What the state promises of finding people: by text, by attribute, and in order."""

from __future__ import annotations

import asyncio

import pytest

from hogline.core.changes import Flush, Settlement
from hogline.core.known import Fact, Id, Person
from hogline.core.ledger import LedgerRow, row_name
from hogline.core.told import Told
from hogline.model import Identifier
from hogline.store.base import State
from hogline.store.directory import PeopleCounts, PeopleFound
from hogline.testing.stores.words import installed, known, learn, told

PEOPLE = [
    known("ann", "Ann.Lee@Example.org"),
    known("BOB"),
    known("100%"),
    known("a_b"),
    known("axb"),
    known("MÜLLER", "Jürgen.ÖZ@example.org"),
    known('it\'s "me"'),
    known("back\\slash*"),
    known("Straße 7"),
    known("ZOË"),
    known("plain", "Zoé@example.net"),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann", ["ann"]),
        ("nn", ["ann"]),
        ("ANN", ["ann"]),
        ("bob", ["BOB"]),
        ("lee@EXAMPLE", ["ann"]),
        ("%", ["100%"]),
        ("_", ["a_b"]),
        ("a_b", ["a_b"]),
        ("müller", ["MÜLLER"]),
        ("MÜLLER", ["MÜLLER"]),
        ("jürgen.öz", ["MÜLLER"]),
        ("JÜRGEN.ÖZ", ["MÜLLER"]),
        ('it\'s "ME"', ['it\'s "me"']),
        ("\\SLASH*", ["back\\slash*"]),
        ("example.org", ["MÜLLER", "ann"]),
        ("nobody", []),
        ("*", ["back\\slash*"]),
        ("STRASSE", ["Straße 7"]),
        ("?", []),
        ("zoë", ["ZOË"]),
        ("ZOÉ@", ["plain"]),
        ("x" * 10_000, []),
        ("%" * 30_000, []),
    ],
)
async def test_people_are_found_by_a_part_of_their_id_or_email_in_any_case(
    state: State, text: str, found: list[str]
) -> None:
    connection = (await installed(state)).id
    await learn(state, *PEOPLE)
    assert await state.find_people(connection, text) == found


async def test_no_text_finds_everybody_in_the_order_of_their_ids(state: State) -> None:
    connection = (await installed(state)).id
    await learn(state, *PEOPLE)
    assert await state.find_people(connection, "") == sorted(person.id for person in PEOPLE)


async def test_people_are_found_page_by_page(state: State) -> None:
    ids = sorted(f"user {n}" for n in range(25))
    connection = (await installed(state)).id
    await learn(state, *(known(one) for one in ids), known("zoe"))
    pages, after = [], ""
    while page := await state.find_people(connection, "USER", after=after, limit=10):
        pages.append(page)
        after = page[-1]
    assert pages == [ids[:10], ids[10:20], ids[20:]]


async def test_searches_at_the_same_time_and_one_that_is_given_up_disturb_nobody(state: State) -> None:
    connection = (await installed(state)).id
    await learn(state, *(known(f"user {n:03}") for n in range(200)))
    given_up = asyncio.ensure_future(state.find_people(connection, "nobody"))
    await asyncio.sleep(0)
    given_up.cancel()
    found = await asyncio.gather(*(state.find_people(connection, f"R {n:03}") for n in range(50)))
    assert [person for (person,) in found] == [f"user {n:03}" for n in range(50)]


async def test_a_page_has_100_people_unless_told(state: State) -> None:
    connection = (await installed(state)).id
    await learn(state, *(known(f"user {n:03}") for n in range(120)))
    assert len(await state.find_people(connection, "user")) == 100


async def test_whom_a_connection_told_something_of_is_found_there_and_nowhere_else(state: State) -> None:
    one, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    await state.settle(Settlement(connection=one, lanes={}, told={"ann": told("ann")}))
    assert (state.told(one, ["ann"]), state.told(other, ["ann"])) == ({"ann": told("ann")}, {})
    assert (await state.find_people(one, "AN"), await state.find_people(other, "an")) == (["ann"], [])
    await learn(state, known("ann"), anon=Id("ann", 3))
    for connection in (one, other):
        assert await state.find_people(connection, "") == ["ann", "anon"]


async def test_people_who_were_told_something_come_in_order_or_at_random(state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    names = [f"user {number:02}" for number in range(30)]
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in names}))
    await state.settle(Settlement(connection=other.id, lanes={}, told={"eve": told("eve")}))
    assert await state.told_people(one.id) == names
    assert await state.told_people(one.id, after=names[9], limit=5) == names[10:15]
    sample = await state.told_people(one.id, sample=10)
    assert len(set(sample)) == 10
    assert set(sample) <= set(names)
    assert set(await state.told_people(one.id, sample=100)) == set(names)


async def test_people_are_listed_in_order_in_both_directions(state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    names = [f"user {number}" for number in range(6)]
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in names}))
    await state.settle(Settlement(connection=other.id, lanes={}, told={"eve": told("eve")}))
    await state.flush(Flush({}, {"ada": Person("ada"), names[0]: Person(names[0])}, 0))
    assert await state.people_in_order(one.id, told=True) == names
    assert await state.people_in_order(one.id, told=True, after=names[1], limit=2) == names[2:4]
    assert await state.people_in_order(one.id, told=True, before=names[3], limit=2) == [names[2], names[1]]
    assert await state.people_in_order(one.id, told=False) == ["ada", *names]
    assert await state.people_in_order(one.id, told=False, before=names[1]) == [names[0], "ada"]


async def test_customers_and_all_who_are_known_are_counted(state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    customers = {name: told(name) for name in ("ada", "ben")}
    await state.settle(
        Settlement(connection=one.id, lanes={}, told={**customers, "cleo": Told(), "dan": Told(has_held=True)})
    )
    await state.flush(Flush({}, {name: Person(name) for name in ("ada", "eve", "fay")}, 0))
    assert await state.count_people(one.id) == PeopleCounts(customers=2, known=6)
    assert await state.count_people(other.id) == PeopleCounts(customers=0, known=3)


async def test_people_are_found_by_the_value_of_an_attribute(state: State) -> None:
    values: list[object] = ["pro", "profane", 3, 3.5, True, None, ["pro"], {"pro": "pro"}, "x" * 300]
    people = {f"user {n}": Person(f"user {n}", {"plan": Fact(value, 0, 1)}) for n, value in enumerate(values)}
    people["other"] = Person("other", {"pro": Fact("plan", 0, 1), "plan2": Fact("pro", 0, 1)})
    people["property"] = Person("property", {}, properties={"plan": Fact("pro", 0, 1)})
    await state.flush(Flush({}, people, 0))

    async def with_plan(values: list[object], *, text: str = "", limit: int = 100) -> list[str]:
        found = await state.search_people(1, text, "plan", values, limit=limit)
        assert found.is_whole
        return found.ids

    assert await with_plan(["pro"], text="USER") == ["user 0"]
    assert await with_plan(["pro"], text="user 0") == ["user 0"]
    assert await with_plan([3], text="user 0") == []
    assert await with_plan(["pro"]) == ["property", "user 0"]
    assert await with_plan(["3", 3]) == ["user 2"]
    assert await with_plan(["true", True]) == ["user 4"]
    assert await with_plan(["x" * 300]) == ["user 8"]
    assert await with_plan(["pro", 3], limit=2) == ["property", "user 0"]
    assert await with_plan([]) == []


async def test_a_search_stops_when_its_time_is_up_and_finds_whole_ids_and_emails_all_the_same(state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    people = [known(f"user {n:04}", f"User{n:04}@example.org", plan="pro") for n in range(3_000)]
    await learn(state, *people, zed=Id("user 2999", 3))
    row = LedgerRow("user 2999", "accepted", Identifier("id", "user 2999"), others=0)
    await state.settle(
        Settlement(
            connection=one.id,
            lanes={},
            told={"yan": told("yan")},
            ledger={"who@example.org": row, row_name(Identifier("id", "customer 7")): row},
        )
    )

    async def found(text: str, *attribute: object, connection: int = one.id, within_s: float | None = 0) -> PeopleFound:
        name, values = ("plan", attribute) if attribute else ("", ())
        return await state.search_people(connection, text, name, values, within_s=within_s)

    assert not (await found("nobody")).is_whole
    assert await found("nobody", within_s=None) == PeopleFound([], is_whole=True)
    assert not (await found("nobody", "pro")).is_whole
    assert (await found("user 2999")).ids[0] == "user 2999"
    assert (await found("user 2999", "pro")).ids[0] == "user 2999"
    assert "user 2999" not in (await found("user 2999", "free")).ids
    assert ((await found("zed")).ids, (await found("yan")).ids) == (["zed"], ["yan"])
    assert ((await found("Who@Example.org")).ids, (await found("yan", connection=other.id)).ids) == (["user 2999"], [])
    assert (await found("customer 7")).ids == ["user 2999"]  # their customer's id, by a person property
    assert (await found("user2998@EXAMPLE.org")).ids == ["user 2998"]  # customer or not
    others = {f"other {n:04}": told(f"other {n:04}") for n in range(3_000)}
    await state.settle(Settlement(connection=one.id, lanes={}, told=others))
    assert len((await found("user0")).ids) == 100  # those who match do not wait for those who do not
    assert await found("user 0000", within_s=None) == PeopleFound(["user 0000"], is_whole=True)
