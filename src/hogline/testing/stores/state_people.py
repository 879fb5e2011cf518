"""What the state promises of people: a person comes back as they were kept."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.core.changes import Flush, Intent, Settlement
from hogline.core.known import EVER, Fact, Id, Person
from hogline.core.ledger import LedgerRow
from hogline.core.told import Customer, Mark, Told
from hogline.model import Identifier, same_value
from hogline.store.base import State
from hogline.testing.stores.words import NOW_MS, Store, installed, known, learn

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


@pytest.mark.parametrize("name", VALUES)
async def test_every_kind_of_value_comes_back_as_it_was(store: Store, state: State, name: str) -> None:
    await learn(state, Person("ann", {name: Fact(VALUES[name], NOW_MS, 7)}))
    other = await store.state()
    for one in (state, other):
        facts = one.people(["ann"])["ann"].facts
        assert list(facts) == [name]
        assert same_value(facts[name].value, VALUES[name])
    await other.close()


async def test_everything_about_a_person_comes_back(store: Store, state: State) -> None:
    person = Person(
        "ann",
        {"email": Fact("Ann@Example.org", -5, 3), "plan": Fact(None, NOW_MS, 9)},
        identified_at=3,
        emailed_at=4,
        protected=True,
        version=9,
        properties={"$os": Fact("Linux", NOW_MS, 9)},
    )
    await learn(state, person)
    other = await store.state()
    for one in (state, other):
        assert one.people(["ann"]) == {"ann": person}
    await other.close()


async def test_the_newest_of_a_person_is_what_is_remembered(state: State) -> None:
    connection = (await installed(state)).id
    await learn(state, known("ann", "old@example.org", plan="free"))
    await learn(state, known("ann", "new@example.org"))
    assert state.people(["ann"]) == {"ann": known("ann", "new@example.org")}
    assert await state.find_people(connection, "old@") == []
    assert await state.find_people(connection, "NEW@") == ["ann"]
    await learn(state, known("ann"))
    assert await state.find_people(connection, "new@") == []


async def test_those_who_are_known_are_given(state: State) -> None:
    ids = ["ann", "Ann", " ann", "ann ", "%", "_", "a/b?#", "\N{BOAR}", "x" * 5_000, "a\0b"]
    await learn(state, *(known(one) for one in ids))
    assert state.people([]) == {}
    assert state.people(["nobody"]) == {}
    assert state.people([*ids, "nobody", "ann"]) == {one: known(one) for one in ids}


async def test_thousands_of_people_are_loaded_at_once(state: State) -> None:
    ids = [f"user {n}" for n in range(3_000)]
    await learn(state, *(known(one) for one in ids))
    assert len(state.people(ids)) == 3_000


async def test_how_far_the_journal_is_known_is_written_with_what_it_says(store: Store, state: State) -> None:
    assert state.folded() == 0
    await state.flush(Flush({"anon": Id("ann", 7)}, {"ann": known("ann")}, 7))
    other = await store.state()
    for one in (state, other):
        assert (one.folded(), list(one.ids(["anon"])), list(one.people(["ann"]))) == (7, ["anon"], ["ann"])
    await other.close()


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
positions = st.integers(0, 2**40)
facts = st.dictionaries(texts, st.builds(Fact, json_values, st.integers(-(2**60), 2**60), positions), max_size=4)
people = st.builds(
    Person,
    ids_of_people,
    facts,
    st.just(EVER) | positions,
    st.just(EVER) | positions,
    st.booleans(),
    positions,
    facts,
)
marks = st.dictionaries(texts, st.builds(Mark, positions, st.integers(0, 2**32 - 1)), max_size=3)
customers = st.builds(
    Customer,
    st.sampled_from(["id", "email"]),
    texts.filter(bool),
    st.sampled_from(["wanted", "accepted", "leaving", "kept"]),
    st.none() | texts.filter(bool),
    marks,
    marks,
    positions,
    st.lists(texts, max_size=3).map(tuple),
)
several_texts = st.lists(texts, max_size=3).map(tuple)
tolds = st.builds(
    Told,
    st.none() | customers,
    st.lists(customers, max_size=2).map(tuple),
    st.lists(st.builds(Identifier, st.sampled_from(["id", "email"]), texts), max_size=2).map(tuple),
    several_texts,
    several_texts,
    st.booleans(),
    st.none() | st.tuples(positions, st.integers(0, 2**32 - 1)),
    positions,
    several_texts,
    st.lists(positions | st.tuples(positions, texts), max_size=3).map(tuple),
)
rows = st.builds(
    LedgerRow,
    ids_of_people,
    st.sampled_from(["accepted", "wanted", "leaving", "left"]),
    st.builds(Identifier, st.sampled_from(["id", "email"]), texts),
    st.booleans(),
)


@given(person=people)
@IN_ONE_STORE
async def test_any_person_comes_back_as_they_were(state: State, person: Person) -> None:
    await learn(state, person)
    found = state.people([person.id])[person.id]
    assert found == person
    assert msgspec.json.encode(found) == msgspec.json.encode(person)  # 1 is not true, and 1 is not 1.0


@given(who=ids_of_people, one=tolds, intended=tolds, email=ids_of_people, row=rows)
@IN_ONE_STORE
async def test_whatever_was_told_comes_back_as_it_was(  # noqa: PLR0917  # hypothesis gives them
    state: State, who: str, one: Told, intended: Told, email: str, row: LedgerRow
) -> None:
    connection = (await installed(state, f"connection {len(await state.connections())}")).id
    await state.intend(Intent(connection, {who: intended}, {email: row}))
    assert (state.told(connection, [who]), state.ledger(connection, [email])) == ({who: intended}, {email: row})
    await state.settle(Settlement(connection=connection, lanes={}, told={who: one}, ledger={email: None}))
    assert (state.told(connection, [who]), state.ledger(connection, [email])) == ({who: one}, {})
    await state.settle(Settlement(connection=connection, lanes={}, told={who: None}))
    assert state.told(connection, [who]) == {}


@given(several=st.lists(people, max_size=8, unique_by=lambda person: person.id), text=texts)
@IN_ONE_STORE
async def test_any_text_finds_those_whose_id_or_email_contains_it(
    state: State, several: list[Person], text: str
) -> None:
    connection = (await installed(state, f"connection {len(await state.connections())}")).id
    await state.forget(await state.find_people(connection, "", limit=1_000), {}, emails={})
    await learn(state, *several)
    expected = sorted(
        person.id
        for person in several
        if text.casefold() in person.id.casefold() or text.casefold() in (person.email or "").casefold()
    )
    assert await state.find_people(connection, text) == expected
