"""What the state promises of retention: old visitors and old failures go in small steps, everybody else stays."""

from __future__ import annotations

import pytest

from hogline.core.changes import Flush, HeldEvent, Settlement
from hogline.core.known import Id
from hogline.core.told import Customer, Told
from hogline.model import Identifier
from hogline.store.base import State
from hogline.testing.stores.words import NOW_MS, body, installed, known, learn, letter, told

OLD, NEW, TODAY = 100, 200, 300
"""Days since 1970."""


async def seen(state: State, day: int, *ids: str) -> None:
    """As the folder writes it."""
    await state.flush(Flush({}, {}, 1, dict.fromkeys(ids, day)))


async def expire(state: State, *, before_day: int = OLD + 1, today: int = TODAY, most: int = 100) -> list[str]:
    gone, after = list[str](), ""
    while True:
        expired = await state.expire_people(before_day=before_day, today=today, after=after, most=most)
        gone += expired.ids
        if expired.next is None:
            return sorted(gone)
        after = expired.next


async def left(state: State, connection: int) -> list[str]:
    return await state.find_people(connection, "")


@pytest.mark.parametrize("most", [1, 2, 100])
async def test_only_old_visitors_go(state: State, most: int) -> None:
    connection = (await installed(state)).id
    await learn(state, *(known(one) for one in ("old", "new", "customer", "merged", "has-an-email", "late")))
    records = {
        "customer": told("customer"),
        "merged": Told(gone=(Identifier("id", "x"),)),
        "has-an-email": Told(emails=("a@x.example",)),
        "bare": Told(anonymous=("bare",)),
        "waits": Told(others=(Customer("id", "x"),)),
    }
    await state.settle(Settlement(connection=connection, lanes={}, told=records))
    assert await expire(state, today=OLD, most=most) == []
    await seen(state, NEW, "new")
    await learn(state, known("unseen"))
    await seen(state, OLD - 1, "late")  # an older event that comes late
    assert await expire(state, most=most) == ["bare", "late", "old"]
    assert await left(state, connection) == ["customer", "has-an-email", "merged", "new", "unseen", "waits"]
    assert await expire(state, most=most) == []


async def test_a_person_goes_with_all_their_ids_and_with_what_connections_told_of_them(state: State) -> None:
    one, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    await learn(state, known("ada"), known("bob"), ada=Id(None, 0, 1, ((3, "ada"),)), anon=Id("ada", 3))
    for connection in (one, other):
        visitor = {"ada": Told(anonymous=("anon",)), "bob": Told(anonymous=("bob",))}
        await state.settle(Settlement(connection=connection, lanes={}, told=visitor))
    await expire(state, today=OLD)
    await seen(state, NEW, "bob")
    assert await expire(state) == ["ada", "anon"]
    assert (list(state.people(["ada", "bob"])), state.ids(["ada", "anon"])) == (["bob"], {})
    assert [list(state.told(connection, ["ada", "bob"])) for connection in (one, other)] == [["bob"], ["bob"]]


@pytest.mark.parametrize("why", ["seen", "a customer", "a customer at another connection", "held"])
async def test_a_person_stays_for_the_sake_of_an_id_that_was_joined(state: State, why: str) -> None:
    connection, other = (await installed(state)).id, (await installed(state, "other")).id
    await learn(state, known("ada"), ada=Id(None, 0, 1, ((3, "ada"),)), anon=Id("ada", 3))
    await expire(state, today=OLD)
    match why:
        case "seen":
            await seen(state, NEW, "anon")
        case "held":
            held = HeldEvent(position=1, distinct_id="anon", received_ms=NOW_MS, event=body(1))
            await state.settle(Settlement(connection=connection, lanes={}, held=[held]))
        case _:
            where = connection if why == "a customer" else other
            await state.settle(Settlement(connection=where, lanes={}, told={"anon": told("anon")}))
    assert await expire(state) == []
    assert list(state.people(["ada"])) == ["ada"]


async def test_whoever_comes_back_in_time_is_seen_anew(state: State) -> None:
    await learn(state, known("ada"))
    await expire(state, today=OLD)
    await seen(state, NEW, "ada")
    await seen(state, OLD, "ada")
    assert await expire(state, before_day=NEW) == []
    assert await expire(state, before_day=NEW + 1) == ["ada"]
    await learn(state, known("ada"))
    assert await expire(state, before_day=TODAY) == []


async def test_old_failures_go_and_count_as_filtered(state: State) -> None:
    connection = (await installed(state)).id
    letters = [
        letter(1, at_ms=NOW_MS - 1),
        letter(2, at_ms=NOW_MS - 1),
        letter(3, at_ms=NOW_MS - 1),
        letter(4, at_ms=NOW_MS),
    ]
    await state.settle(Settlement(connection=connection, lanes={}, failures=letters))
    await state.retry_failures(connection, positions=[2])
    assert await state.expire_failures(connection, before_ms=NOW_MS, most=1) == 1
    assert await state.expire_failures(connection, before_ms=NOW_MS, most=9) == 1
    assert await state.expire_failures(connection, before_ms=NOW_MS, most=9) == 0
    assert [one.position for one in await state.failures(connection)] == [2, 4]
    counts = await state.counts(connection)
    assert (counts.filtered, counts.settled) == ({"failure_expired": 2}, 4)
