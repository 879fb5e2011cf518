"""What the state promises of people: whoever is remembered comes back as they were, and can be found."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from conformance_stores import NOW_MS, Store, installed, somebody
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.model import Identifier, Person, same_value
from hogline.store.base import Settlement, State

pytestmark = pytest.mark.anyio

IN_ONE_STORE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

VALUES: dict[str, object] = {
    "text": "Zoë \N{BOAR} \u202e 你好 \u2028",
    "quotes": """it's "so" \\ `so` /* so */ -- ; ?1 %s""",
    "empty text": "",
    "zero": 0,
    "largest": 2**64 - 1,
    "smallest": -(2**63),
    "a whole float": 1.0,
    "a long float": 0.1 + 0.2,
    "a large float": 1.7976931348623157e308,
    "a small float": 5e-324,
    "negative zero": -0.0,
    "true": True,
    "false": False,
    "none": None,
    "list": [1, 1.0, True, None, "1", [], {}],
    "nested": {"a": [{"b": {"c": [None, {"": ""}]}}]},
    "a control character": "\x00\x01\x1f\x7f",
    "a name with 'quotes' and \"more\"": "$.a[0]",
    "$.a[0]": "a path",
    "": "no name",
}


async def kept(state: State, *people: Person) -> int:
    connection = await installed(state)
    await state.settle(Settlement(connection=connection.id, lanes={}, people=people))
    return connection.id


@pytest.mark.parametrize("name", VALUES)
async def test_every_kind_of_value_comes_back_as_it_was(store: Store, state: State, name: str) -> None:
    person = Person(distinct_id="ann", unsent={name: VALUES[name]})
    connection = await kept(state, person)
    other = await store.state()
    for one in (state, other):
        found = (await one.people(connection, ["ann"]))["ann"]
        assert list(found.unsent) == [name]
        assert same_value(found.unsent[name], VALUES[name])
    await other.close()


async def test_everything_about_a_person_comes_back(state: State) -> None:
    person = Person(
        distinct_id="ann",
        identified=True,
        email="Ann@Example.org",
        customer=Identifier("email", "ann@example.org"),
        linked_email="ann@example.org",
        accepted={"plan": "free"},
        unsent={"plan": "pro"},
        refused={"age": -1},
        attributes_ms=-5,
        first_seen_ms=NOW_MS,
        last_seen_ms=NOW_MS + 1,
    )
    connection = await kept(state, person)
    assert state.people(connection, ["ann"]) == {"ann": person}
    assert await state.find_people(connection, "") == [person]


async def test_the_newest_of_a_person_is_what_is_remembered(state: State) -> None:
    connection = await kept(state, Person(distinct_id="ann", email="old@example.org", unsent={"plan": "free"}))
    newer = Person(distinct_id="ann", email="new@example.org", accepted={"plan": "free"})
    await state.settle(Settlement(connection=connection, lanes={}, people=[newer]))
    assert await state.find_people(connection, "") == [newer]
    assert await state.find_people(connection, "old@") == []
    assert await state.find_people(connection, "new@") == [newer]
    await state.settle(Settlement(connection=connection, lanes={}, people=[Person(distinct_id="ann")]))
    assert await state.find_people(connection, "new@") == []


async def test_those_who_are_known_are_given(state: State) -> None:
    ids = ["ann", "Ann", " ann", "ann ", "%", "_", "a/b?#", "\N{BOAR}", "x" * 5_000]
    connection = await kept(state, *(somebody(one) for one in ids))
    assert state.people(connection, []) == {}
    assert state.people(connection, ["nobody"]) == {}
    assert state.people(connection, [*ids, "nobody", "ann"]) == {one: somebody(one) for one in ids}


async def test_thousands_of_people_are_loaded_at_once(state: State) -> None:
    ids = [f"user {n}" for n in range(3_000)]
    connection = await kept(state, *(somebody(one) for one in ids))
    assert len(state.people(connection, ids)) == 3_000


PEOPLE = [
    somebody("ann", "Ann.Lee@Example.org"),
    somebody("BOB"),
    somebody("100%"),
    somebody("a_b"),
    somebody("axb"),
    somebody("MÜLLER", "Jürgen.ÖZ@example.org"),
    somebody('it\'s "me"'),
    somebody("back\\slash*"),
    somebody("Straße 7"),
    somebody("ZOË"),
    somebody("plain", "Zoé@example.net"),
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
    connection = await kept(state, *PEOPLE)
    assert [person.distinct_id for person in await state.find_people(connection, text)] == found


async def test_no_text_finds_everybody_in_the_order_of_their_ids(state: State) -> None:
    connection = await kept(state, *PEOPLE)
    ids = [person.distinct_id for person in await state.find_people(connection, "")]
    assert ids == sorted(person.distinct_id for person in PEOPLE)


async def test_people_are_found_page_by_page(state: State) -> None:
    ids = sorted(f"user {n}" for n in range(25))
    connection = await kept(state, *(somebody(one) for one in ids), somebody("zoe"))
    pages, after = [], ""
    while page := await state.find_people(connection, "USER", after=after, limit=10):
        pages.append([person.distinct_id for person in page])
        after = page[-1].distinct_id
    assert pages == [ids[:10], ids[10:20], ids[20:]]


async def test_searches_at_the_same_time_and_one_that_is_given_up_disturb_nobody(state: State) -> None:
    connection = await kept(state, *(somebody(f"user {n:03}") for n in range(200)))
    given_up = asyncio.ensure_future(state.find_people(connection, "nobody"))
    await asyncio.sleep(0)
    given_up.cancel()
    found = await asyncio.gather(*(state.find_people(connection, f"R {n:03}") for n in range(50)))
    assert [person.distinct_id for (person,) in found] == [f"user {n:03}" for n in range(50)]


async def test_a_page_has_100_people_unless_told(state: State) -> None:
    connection = await kept(state, *(somebody(f"user {n:03}") for n in range(120)))
    assert len(await state.find_people(connection, "user")) == 100


async def test_people_of_another_connection_are_never_found(state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    await state.settle(Settlement(connection=one.id, lanes={}, people=[somebody("ann", "ann@example.org")]))
    assert state.people(other.id, ["ann"]) == {}
    assert await state.find_people(other.id, "ann") == []
    changed = somebody("ann", "other@example.org")
    await state.settle(Settlement(connection=other.id, lanes={}, people=[changed]))
    assert state.people(one.id, ["ann"]) == {"ann": somebody("ann", "ann@example.org")}
    assert state.people(other.id, ["ann"]) == {"ann": changed}


# Reading removes NUL characters and lone surrogates before anything is kept.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ids_of_people = texts.filter(bool)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
attributes = st.dictionaries(texts, json_values, max_size=4)
people = st.builds(
    Person,
    distinct_id=ids_of_people,
    identified=st.booleans(),
    email=st.none() | texts.filter(bool),
    customer=st.none() | st.builds(Identifier, kind=st.sampled_from(["id", "email"]), value=texts),
    accepted=attributes,
    unsent=attributes,
    refused=attributes,
    attributes_ms=st.none() | st.integers(-(2**60), 2**60),
)


@given(person=people)
@IN_ONE_STORE
async def test_any_person_comes_back_as_they_were(state: State, person: Person) -> None:
    connection = await kept_anew(state, [person])
    found = (state.people(connection, [person.distinct_id]))[person.distinct_id]
    assert found == person
    assert msgspec.json.encode(found) == msgspec.json.encode(person)  # 1 is not true, and 1 is not 1.0


@given(several=st.lists(people, max_size=8, unique_by=lambda person: person.distinct_id), text=texts)
@IN_ONE_STORE
async def test_any_text_finds_those_whose_id_or_email_contains_it(
    state: State, several: list[Person], text: str
) -> None:
    connection = await kept_anew(state, several)
    expected = sorted(
        person.distinct_id
        for person in several
        if text.casefold() in person.distinct_id.casefold() or text.casefold() in (person.email or "").casefold()
    )
    assert [person.distinct_id for person in await state.find_people(connection, text)] == expected


async def kept_anew(state: State, several: list[Person]) -> int:
    """A connection of its own for each example: they share one store, as opening one takes long."""
    connection = await installed(state, f"connection {len(await state.connections())}")
    await state.settle(Settlement(connection=connection.id, lanes={}, people=several))
    return connection.id
