"""What the state promises of retention: old visitors and old dead letters go in small steps, everybody else stays."""

from __future__ import annotations

import pytest
from conformance_stores import NOW_MS, installed, letter

from hogline.model import Identifier, Person
from hogline.store.base import HeldEvent, Route, Settlement, State

pytestmark = pytest.mark.anyio

OLD, NEW = NOW_MS - 1_000, NOW_MS + 1_000


def seen(distinct_id: str, at_ms: int, **more: object) -> Person:
    return Person(distinct_id=distinct_id, first_seen_ms=at_ms, last_seen_ms=at_ms, **more)  # type: ignore[arg-type]


async def with_people(state: State, *people: Person, **more: object) -> int:
    connection = (await installed(state)).id
    await state.settle(Settlement(connection=connection, lanes={}, people=people, **more))  # type: ignore[arg-type]
    return connection


async def left(state: State, connection: int) -> list[str]:
    return [one.distinct_id for one in await state.find_people(connection, "")]


async def expire(state: State, connection: int, most: int = 100) -> int:
    removed, after = 0, ""
    while True:
        n, last = await state.expire_people(connection, seen_before_ms=NOW_MS, after=after, most=most)
        removed += n
        if last is None:
            return removed
        after = last


@pytest.mark.parametrize("most", [1, 2, 100])
async def test_only_old_visitors_go(state: State, most: int) -> None:
    ada = Identifier("id", "x")
    connection = await with_people(
        state,
        seen("customer", OLD, customer=ada),
        seen("has-a-merge", OLD, to_merge=(ada,)),
        seen("known", OLD, email="known@example.com", identified=True),
        seen("new", NEW),
        seen("nobody-knows-when", 0),
        seen("old", OLD),
        seen("just-now", NOW_MS),
    )
    assert await expire(state, connection, most) == 2
    assert await left(state, connection) == ["customer", "has-a-merge", "just-now", "new", "nobody-knows-when"]
    assert await expire(state, connection, most) == 0


async def test_a_person_goes_with_all_their_ids_and_whatever_names_them(state: State) -> None:
    connection = await with_people(
        state,
        seen("ada", OLD),
        seen("anon", OLD, joined_into="ada"),
        seen("bob", NEW),
        routes=[Route("ada", 3, None, 1), Route("anon", 3, "ada", 0), Route("bob", 4, None, 1)],
        claimed={"ada@example.com": "ada"},
        due={"ada": NOW_MS, "bob": NOW_MS},
    )
    await expire(state, connection)
    assert await left(state, connection) == ["bob"]
    assert list(await state.routes(connection, ["ada", "anon", "bob"])) == ["bob"]
    assert await state.claimed(connection, "ada@example.com") is None
    assert await state.due(connection, 10) == [("bob", NOW_MS)]


@pytest.mark.parametrize(
    "other",
    [seen("anon", NEW, joined_into="ada"), seen("anon", OLD, joined_into="ada", customer=Identifier("id", "anon"))],
    ids=["seen lately", "a customer"],
)
async def test_a_person_stays_for_the_sake_of_an_id_that_was_joined(state: State, other: Person) -> None:
    connection = await with_people(state, seen("ada", OLD), other)
    assert await expire(state, connection) == 0
    assert await left(state, connection) == ["ada", "anon"]


async def test_whoever_has_held_events_stays(state: State) -> None:
    held = HeldEvent(position=1, distinct_id="ada", received_ms=OLD, event=b"x")
    connection = await with_people(state, seen("ada", OLD), held=[held])
    assert await expire(state, connection) == 0


async def test_another_connection_is_not_touched(state: State) -> None:
    connection = await with_people(state, seen("ada", OLD))
    other = (await installed(state, "other")).id
    await state.settle(Settlement(connection=other, lanes={}, people=[seen("ada", OLD)]))
    await expire(state, connection)
    assert await left(state, other) == ["ada"]


async def test_whoever_travels_with_them_keeps_their_lane(state: State) -> None:
    routes = [Route("ada", 3, None, 1), Route("bob", 3, "ada", 0)]
    connection = await with_people(state, seen("ada", OLD), seen("bob", NEW), routes=routes)
    await expire(state, connection)
    assert await state.routes(connection, ["ada", "bob"]) == {"ada": (routes[0],), "bob": (routes[1],)}


async def test_old_dead_letters_go_and_count_as_filtered(state: State) -> None:
    connection = await with_people(
        state,
        dead_letters=[letter(1, at_ms=OLD), letter(2, at_ms=OLD), letter(3, at_ms=OLD), letter(4, at_ms=NEW)],
    )
    await state.retry_dead_letters(connection, positions=[2])
    assert await state.expire_dead_letters(connection, before_ms=NOW_MS, most=1) == 1
    assert await state.expire_dead_letters(connection, before_ms=NOW_MS, most=9) == 1
    assert await state.expire_dead_letters(connection, before_ms=NOW_MS, most=9) == 0
    assert [one.position for one in await state.dead_letters(connection)] == [2, 4]
    counts = await state.counts(connection)
    assert (counts.filtered, counts.settled) == ({"failure_expired": 2}, 4)
