"""What the state promises of held events: whose they are, how many stay, and that each is counted exactly once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.core.changes import HeldEvent, Settlement
from hogline.store.base import READ_BYTES, State
from hogline.store.memory import HELD_BYTES_FOR_ONE, HELD_FOR_ONE
from hogline.testing.stores.words import NOW_MS, Store, body, installed

MUCH = 10**12


def holding(position: int, whose: str = "ada", *, received_ms: int = NOW_MS) -> HeldEvent:
    return HeldEvent(position=position, distinct_id=whose, received_ms=received_ms, event=body(position))


async def hold(state: State, connection: int, *events: HeldEvent) -> None:
    await state.settle(Settlement(connection=connection, lanes={}, held=events))


async def release(state: State, connection: int, *positions: int) -> None:
    await state.settle(Settlement(connection=connection, lanes={}, released=positions, delivered=len(positions)))


async def expire(state: State, connection: int, *, before_ms: int = 0, most_bytes: int = MUCH) -> int:
    return await state.expire_held(connection, received_before_ms=before_ms, most_bytes=most_bytes)


async def positions(state: State, connection: int, *whose: str) -> list[int]:
    return [one.position for one in state.held(connection, whose)]


async def test_what_is_held_comes_back_whole_and_in_order(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, holding(7), holding(3, "bob"), holding(5))
    other = await store.state()
    for one in (state, other):
        assert one.held(connection, ["ada", "bob", "nobody"]) == [holding(3, "bob"), holding(5), holding(7)]
        assert one.held(connection, ["ada"]) == [holding(5), holding(7)]
        assert one.held(connection, []) == []
        assert (await one.counts(connection)).held == 3
    await other.close()


async def test_one_connections_held_events_are_none_of_anothers(state: State) -> None:
    one, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    await hold(state, one, holding(1))
    await hold(state, other, holding(1))
    await release(state, one, 1)
    assert (await state.counts(one)).held == 0
    assert (await state.counts(other)).held == 1
    await state.remove_connection(other)
    assert state.held(other, ["ada"]) == []


async def test_what_is_released_is_held_no_more_and_counted_by_what_became_of_it(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, holding(1), holding(2), holding(3))
    await state.settle(
        Settlement(connection=connection, lanes={}, released=[1, 3], delivered=1, filtered={"not_in_allowlist": 1})
    )
    counts = await state.counts(connection)
    assert (counts.held, counts.delivered, counts.filtered, counts.settled) == (1, 1, {"not_in_allowlist": 1}, 3)
    assert await positions(state, connection, "ada") == [2]


async def test_whoever_is_absorbed_leaves_their_held_events_to_the_one_who_stays(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, holding(1, "anon"), holding(2), holding(3, "anon"), holding(4, "bob"))
    await state.settle(Settlement(connection=connection, lanes={}, absorbed={"anon": "ada"}))
    assert await positions(state, connection, "ada") == [1, 2, 3]
    assert await positions(state, connection, "anon") == []
    assert (await state.counts(connection)).held == 4


async def test_the_newest_200_of_a_person_stay_and_the_rest_is_counted(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, holding(1, "bob"), *[holding(n) for n in range(2, HELD_FOR_ONE + 12)])
    counts = await state.counts(connection)
    assert (counts.held, counts.filtered) == (HELD_FOR_ONE + 1, {"hold_too_many": 10})
    assert (await positions(state, connection, "ada"))[0] == 12


async def test_the_bound_of_a_person_holds_for_both_who_are_joined(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, *[holding(n, "anon" if n % 2 else "ada") for n in range(1, 261)])
    await state.settle(Settlement(connection=connection, lanes={}, absorbed={"anon": "ada"}))
    assert await positions(state, connection, "ada") == list(range(61, 261))
    assert (await state.counts(connection)).filtered == {"hold_too_many": 60}


async def test_what_was_received_before_a_time_expires(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, *[holding(n, received_ms=NOW_MS + n) for n in range(1, 6)])
    assert await expire(state, connection, before_ms=NOW_MS + 3) == 2
    assert await positions(state, connection, "ada") == [3, 4, 5]
    assert (await state.counts(connection)).filtered == {"hold_expired": 2}


async def test_beyond_so_many_bytes_the_oldest_go(state: State) -> None:
    connection = (await installed(state)).id
    size = len(body(1))
    await hold(state, connection, *[holding(n) for n in range(1, 6)])
    assert await expire(state, connection, most_bytes=5 * size) == 0
    assert await expire(state, connection, most_bytes=3 * size) == 2
    assert await positions(state, connection, "ada") == [3, 4, 5]
    assert await expire(state, connection, most_bytes=3 * size - 1) == 1
    assert (await state.counts(connection)).filtered == {"hold_full": 3}


async def test_what_was_released_takes_no_room_any_more(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, *[holding(n) for n in range(1, 6)])
    await release(state, connection, 1, 2, 3)
    assert await expire(state, connection, most_bytes=2 * len(body(1))) == 0


@pytest.mark.parametrize("why", ["expired", "full", "too many"])
async def test_what_was_given_up_while_it_was_on_its_way_counts_once_as_what_became_of_it(
    state: State, why: str
) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, holding(1), holding(2))
    if why == "too many":
        await hold(state, connection, *[holding(n) for n in range(3, 3 + HELD_FOR_ONE)])
    else:
        await expire(
            state,
            connection,
            before_ms=NOW_MS + 1 if why == "expired" else 0,
            most_bytes=0 if why == "full" else MUCH,
        )
    before = await state.counts(connection)
    await release(state, connection, 1, 2)
    counts = await state.counts(connection)
    assert (counts.delivered, counts.settled) == (2, before.settled)
    assert counts.filtered == {}


HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.sampled_from(["ada", "bob", "anon"]), st.integers(0, 30)),
        st.tuples(st.just("release"), st.sampled_from(["ada", "bob", "anon"]), st.just(0)),
        st.tuples(st.just("expire"), st.just(""), st.integers(0, 30)),
        st.tuples(st.just("fill"), st.just(""), st.integers(0, 6)),
        st.tuples(st.just("join"), st.just(""), st.just(0)),
    ),
    max_size=40,
)


@given(history=HISTORY)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_whatever_is_held_released_and_given_up_nothing_is_lost_or_counted_twice(
    state: State, history: list[tuple[str, str, int]]
) -> None:
    connection = (await installed(state, f"c{(len(await state.connections()))}")).id
    position = 0
    for step, whose, number in history:
        match step:
            case "hold":
                position += 1
                await hold(state, connection, holding(position, whose, received_ms=NOW_MS + number))
            case "release":
                await release(state, connection, *await positions(state, connection, whose))
            case "expire":
                await expire(state, connection, before_ms=NOW_MS + number)
            case "fill":
                await expire(state, connection, most_bytes=number * len(body(1)))
            case _:
                await state.settle(Settlement(connection=connection, lanes={}, absorbed={"anon": "ada"}))
        counts = await state.counts(connection)
        assert counts.held == len(await positions(state, connection, "ada", "bob", "anon"))
        assert counts.settled == position
        assert min(counts.filtered.values(), default=0) >= 0


def large(position: int, size_bytes: int, whose: str = "ada") -> HeldEvent:
    return HeldEvent(position=position, distinct_id=whose, received_ms=NOW_MS, event=b"x" * size_bytes)


async def test_of_one_person_no_more_than_some_bytes_are_held_the_newest(state: State) -> None:
    connection = (await installed(state)).id
    await hold(state, connection, *[large(position, HELD_BYTES_FOR_ONE // 4) for position in range(1, 11)])
    assert await positions(state, connection, "ada") == [7, 8, 9, 10]
    assert (await state.counts(connection)).filtered == {"hold_too_many": 6}
    await hold(state, connection, large(11, HELD_BYTES_FOR_ONE + 1))
    assert await positions(state, connection, "ada") == [11]


async def test_of_many_people_no_more_than_some_bytes_are_read_at_once(state: State) -> None:
    connection = (await installed(state)).id
    whose = [f"user-{n}" for n in range(9)]
    await hold(state, connection, *[large(n + 1, READ_BYTES // 4, one) for n, one in enumerate(whose)])
    assert await positions(state, connection, *whose) == [6, 7, 8, 9]
