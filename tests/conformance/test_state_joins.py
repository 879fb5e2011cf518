"""What the state promises of joins: routes, the emails that identify people, what is due, who was joined into whom."""

from __future__ import annotations

import pytest
from conformance_stores import NOW_MS, Store, installed, somebody
from msgspec.structs import replace

from hogline.model import Identifier, Person
from hogline.store.base import Route, Settlement, State

pytestmark = pytest.mark.anyio


async def settle(state: State, connection: int, **what: object) -> None:
    await state.settle(Settlement(connection=connection, lanes={}, **what))  # type: ignore[arg-type]


async def test_routes_come_back_in_order_with_their_groups(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    late, early, name = Route("b", 9, "c", 0), Route("b", 3, None, 1), Route("a", 3, "b", 0)
    await settle(state, connection, routes=[late])
    await settle(state, connection, routes=[early, name])
    other = await store.state()
    for one in (state, other):
        assert await one.routes(connection, ["a", "b", "z"]) == {"a": (name,), "b": (early, late)}
        assert await one.routes(connection, []) == {}
    await other.close()


async def test_a_route_that_is_settled_again_stays_as_it_was(state: State) -> None:
    connection = (await installed(state)).id
    route = Route("a", 3, "b", 0)
    for _ in range(2):
        await settle(state, connection, routes=[route])
    assert await state.routes(connection, ["a"]) == {"a": (route,)}


async def test_of_a_thousand_ids_all_routes_are_found_at_once(state: State) -> None:
    connection = (await installed(state)).id
    routes = [Route(f"id-{n}", n + 1, "name", 0) for n in range(1_000)]
    await settle(state, connection, routes=routes)
    found = await state.routes(connection, [f"id-{n}" for n in range(2_000)])
    assert found == {route.distinct_id: (route,) for route in routes}


async def test_an_email_identifies_whoever_claimed_it_until_they_free_it(state: State) -> None:
    connection = (await installed(state)).id
    assert await state.claimed(connection, "a@b.example") is None
    await settle(state, connection, claimed={"a@b.example": "ada"})
    assert await state.claimed(connection, "a@b.example") == "ada"
    await settle(state, connection, freed={"a@b.example": "ada"})
    assert await state.claimed(connection, "a@b.example") is None


async def test_an_email_that_changes_hands_in_one_settlement_is_the_new_owners(state: State) -> None:
    connection = (await installed(state)).id
    await settle(state, connection, claimed={"a@b.example": "ada"})
    await settle(state, connection, freed={"a@b.example": "ada"}, claimed={"a@b.example": "bob"})
    assert await state.claimed(connection, "a@b.example") == "bob"


async def test_who_frees_an_email_that_is_somebody_elses_by_now_takes_nothing_away(state: State) -> None:
    connection = (await installed(state)).id
    await settle(state, connection, claimed={"a@b.example": "bob"})
    await settle(state, connection, freed={"a@b.example": "ada"})
    assert await state.claimed(connection, "a@b.example") == "bob"


async def test_what_is_due_comes_the_next_ones_first(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    await settle(state, connection, due={"ada": NOW_MS + 30, "bob": NOW_MS + 10, "cleo": NOW_MS + 20})
    other = await store.state()
    for one in (state, other):
        assert await one.due(connection, 2) == [("bob", NOW_MS + 10), ("cleo", NOW_MS + 20)]
    await other.close()


async def test_what_was_done_is_due_no_more(state: State) -> None:
    connection = (await installed(state)).id
    await settle(state, connection, due={"ada": NOW_MS, "bob": NOW_MS})
    await settle(state, connection, done={"ada": NOW_MS + 1_000_000, "nobody": 0})
    assert state.due(connection, 10) == [("bob", NOW_MS)]


async def test_what_was_done_and_is_due_once_more_is_due(state: State) -> None:
    connection = (await installed(state)).id
    await settle(state, connection, due={"ada": NOW_MS})
    await settle(state, connection, done={"ada": NOW_MS + 1_000_000}, due={"ada": NOW_MS + 50})
    assert state.due(connection, 10) == [("ada", NOW_MS + 50)]


async def test_who_was_joined_into_whom_is_found_page_by_page(state: State) -> None:
    connection = (await installed(state)).id
    visitors = [Person(distinct_id=f"anon-{n}", joined_into="ada", first_seen_ms=1, last_seen_ms=2) for n in range(5)]
    await settle(state, connection, people=[*visitors, somebody("ada"), somebody("bob")])
    assert await state.joined(connection, "ada") == visitors
    assert await state.joined(connection, "ada", limit=2) == visitors[:2]
    assert await state.joined(connection, "ada", after="anon-1", limit=2) == visitors[2:4]
    assert await state.joined(connection, "bob") == []


async def test_everything_that_is_known_of_a_joined_person_comes_back(state: State) -> None:
    connection = (await installed(state)).id
    ada = Person(
        distinct_id="ada",
        identified=True,
        email="ada@example.com",
        customer=Identifier("id", "ada"),
        linked_email="ada@example.com",
        claimed_email="ada@example.com",
        taken_email="other@example.com",
        to_merge=(Identifier("id", "anon"), Identifier("email", "b@example.com")),
        merged=(Identifier("id", "older"),),
        anonymous_ids=("v1", "v2"),
        relationships=("1/acme",),
        recent=((7, ""), (8, "not_identified")),
        first_seen_ms=1,
        last_seen_ms=2,
    )
    await settle(state, connection, people=[ada])
    assert state.people(connection, ["ada"]) == {"ada": ada}
    await settle(state, connection, people=[replace(ada, joined_into="bob")])
    assert await state.joined(connection, "bob") == [replace(ada, joined_into="bob")]


async def test_a_connection_that_is_removed_leaves_nothing_to_the_next_one(state: State) -> None:
    connection = (await installed(state)).id
    await settle(
        state,
        connection,
        routes=[Route("a", 1, "b", 0)],
        claimed={"a@b.example": "ada"},
        due={"ada": NOW_MS},
        people=[Person(distinct_id="anon", joined_into="ada")],
    )
    await state.remove_connection(connection)
    assert await state.routes(connection, ["a"]) == {}
    assert await state.claimed(connection, "a@b.example") is None
    assert state.due(connection, 10) == []
    assert await state.joined(connection, "ada") == []


async def test_one_connections_joins_are_none_of_anothers(state: State) -> None:
    one, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    await settle(state, one, routes=[Route("a", 1, "b", 0)], claimed={"a@b.example": "ada"}, due={"ada": NOW_MS})
    assert await state.routes(other, ["a"]) == {}
    assert await state.claimed(other, "a@b.example") is None
    assert state.due(other, 10) == []
