"""What the state promises of people: a person comes back as they were kept, and can be found."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.core.changes import Flush, Intent, Settlement
from hogline.core.known import EVER, Fact, Id, Person
from hogline.core.ledger import Row
from hogline.core.told import Customer, Mark, Told
from hogline.model import Identifier, same_value
from hogline.store.base import State
from hogline.store.directory import PeopleCounts, PeopleFound
from hogline.store.resending import Resending
from hogline.testing.stores.words import NOW_MS, Store, installed, known, learn, told

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
    Row,
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
    state: State, who: str, one: Told, intended: Told, email: str, row: Row
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
    assert await state.count_people(one.id) == PeopleCounts(customers=2, known=3)
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
    row = Row("user 2999", "accepted", Identifier("id", "user 2999"), others=0)
    await state.settle(
        Settlement(connection=one.id, lanes={}, told={"yan": told("yan")}, ledger={"who@example.org": row})
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
    others = {f"other {n:04}": told(f"other {n:04}") for n in range(3_000)}
    await state.settle(Settlement(connection=one.id, lanes={}, told=others))
    assert len((await found("user0")).ids) == 100  # those who match do not wait for those who do not
    assert await found("user 0000", within_s=None) == PeopleFound(["user 0000"], is_whole=True)


async def test_everyone_is_added_to_those_who_are_sent_again_in_portions(store: Store, state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    names = [f"user {number}" for number in range(5)]
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in names}))
    assert state.resending(one.id) is None
    await state.resend_everyone(one.id)
    assert state.resending(one.id) == Resending(people=5, asked=0)
    assert await state.resend_more(one.id, 3) == 3
    await state.resend_everyone(one.id)  # it goes on
    later = await store.state()  # whatever it sees is on disk
    assert later.resending(one.id) == Resending(people=5, asked=3)
    assert later.again(one.id, 10) == [("again", name) for name in names[:3]]
    await later.close()
    assert await state.resend_more(one.id, 3) == 2
    assert await state.resend_more(one.id, 3) == 0
    assert (state.resending(one.id), state.resending(other.id)) == (None, None)
    assert [person for _, person in state.again(one.id, 10)] == names


async def test_sending_everyone_again_can_be_cancelled(state: State) -> None:
    one = await installed(state)
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in "abc"}))
    await state.resend_everyone(one.id)
    await state.resend_more(one.id, 1)
    await state.cancel_resending(one.id)
    await state.cancel_resending(one.id)
    assert state.resending(one.id) is None
    assert await state.resend_more(one.id, 9) == 0
    assert state.again(one.id, 9) == [("again", "a")]


async def test_how_far_everyone_is_does_not_name_somebody_who_is_forgotten(state: State) -> None:
    one = await installed(state)
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in "abcd"}))
    await state.resend_everyone(one.id)
    await state.resend_more(one.id, 2)
    await state.forget(["b"], {one.id: 0}, emails={})
    assert await state.resend_more(one.id, 9) == 2
    assert [person for _, person in state.again(one.id, 9)] == ["a", "c", "d"]
