"""What the state promises of settling: a settlement is written whole or not at all, and nothing is counted twice."""

from __future__ import annotations

import asyncio

import pytest

from hogline.core.changes import Noted, Settlement
from hogline.model import Refusal
from hogline.store.base import Counts, State, Unwritable
from hogline.testing.stores.words import Store, installed, letter, told


async def test_of_a_new_connection_nothing_is_settled(state: State) -> None:
    connection = await installed(state)
    assert await state.lanes(connection.id) == {}
    assert await state.counts(connection.id) == Counts()
    assert await state.failures(connection.id) == []


async def test_a_settlement_is_kept_whole(store: Store, state: State) -> None:
    connection = await installed(state)
    await state.settle(
        Settlement(
            connection=connection.id,
            lanes={0: 5, 3: 9},
            told={"ann": told("ann"), "bob": told("bob")},
            delivered=3,
            filtered={"not_identified": 2, "not_in_allowlist": 1},
            adjusted={"name_cut": 4},
            failures=[letter(4)],
            requests=2,
            retries={"503": 1},
        )
    )
    other = await store.state()  # opened beside it: whatever it sees is on disk
    for one in (state, other):
        assert await one.lanes(connection.id) == {0: 5, 3: 9}
        assert one.told(connection.id, ["ann", "bob"]) == {"ann": told("ann"), "bob": told("bob")}
        assert await one.failures(connection.id) == [letter(4)]
        assert await one.counts(connection.id) == Counts(
            delivered=3,
            filtered={"not_identified": 2, "not_in_allowlist": 1},
            failures={"invalid": 1},
            adjusted={"name_cut": 4},
            requests=2,
            retries={"503": 1},
        )
    await other.close()


async def test_counts_add_up_over_settlements(state: State) -> None:
    connection = await installed(state)
    for position in range(1, 6):
        await state.settle(
            Settlement(
                connection=connection.id,
                lanes={0: position * 10},
                delivered=2,
                filtered={"not_identified": 1},
                adjusted={"name_cut": 1},
                failures=[letter(position, "too_large" if position % 2 else "invalid")],
                requests=3,
                retries={"429": 1},
            )
        )
    counts = await state.counts(connection.id)
    assert counts == Counts(
        delivered=10,
        filtered={"not_identified": 5},
        failures={"too_large": 3, "invalid": 2},
        adjusted={"name_cut": 5},
        requests=15,
        retries={"429": 5},
    )
    assert counts.settled == 20


async def test_settlements_at_once_lose_no_count(state: State) -> None:
    connection = await installed(state)
    await asyncio.gather(
        *(
            state.settle(Settlement(connection=connection.id, lanes={n % 4: n}, delivered=1, failures=[letter(n)]))
            for n in range(1, 61)
        )
    )
    counts = await state.counts(connection.id)
    assert (counts.delivered, counts.failures) == (60, {"invalid": 60})
    assert await state.lanes(connection.id) == {0: 60, 1: 57, 2: 58, 3: 59}


async def test_nothing_counted_is_nothing_shown(state: State) -> None:
    connection = await installed(state)
    await state.settle(Settlement(connection=connection.id, lanes={}, filtered={"not_identified": 0}))
    assert await state.counts(connection.id) == Counts()
    assert await state.lanes(connection.id) == {}


async def test_one_connections_settlements_are_none_of_anothers(state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    await state.settle(Settlement(connection=one.id, lanes={0: 4}, delivered=1, failures=[letter(4)]))
    assert await state.lanes(other.id) == {}
    assert await state.counts(other.id) == Counts()
    assert await state.failures(other.id) == []
    await state.settle(Settlement(connection=other.id, lanes={0: 4}, failures=[letter(4)]))
    assert (await state.counts(one.id)).failures == {"invalid": 1}


async def test_a_lane_never_goes_back(state: State) -> None:
    connection = await installed(state)
    await state.settle(Settlement(connection=connection.id, lanes={0: 10, 1: 3}))
    await state.settle(Settlement(connection=connection.id, lanes={0: 7, 1: 5, 2: 1}))
    assert await state.lanes(connection.id) == {0: 10, 1: 5, 2: 1}


UNWRITABLE: dict[str, dict[str, object]] = {
    "a failure that nobody refused": {"failures": [letter(19), letter(20, refusals=())]},
    "a failure that is one already": {"failures": [letter(19), letter(9, "other")]},
    "the same failure twice": {"failures": [letter(19), letter(19)]},
    "resolved, but never a failure": {"failures": [letter(19)], "resolved": [8]},
}
each_unwritable = pytest.mark.parametrize("wrong", UNWRITABLE.values(), ids=UNWRITABLE.keys())


async def refused_settlement(state: State, connection: int, wrong: dict[str, object]) -> Settlement:
    """One that changes everything, and contradicts itself or what is settled."""
    await state.settle(Settlement(connection=connection, lanes={0: 9}, delivered=8, failures=[letter(9)]))
    return Settlement(
        connection=connection,
        lanes={0: 20, 1: 20},
        told={"mallory": told("mallory")},
        delivered=7,
        filtered={"not_identified": 7},
        adjusted={"name_cut": 7},
        requests=7,
        retries={"503": 7},
        **wrong,  # type: ignore[arg-type]
    )


@each_unwritable
async def test_a_settlement_that_cannot_be_written_leaves_nothing_of_itself(
    state: State, wrong: dict[str, object]
) -> None:
    connection = (await installed(state)).id
    refused = await refused_settlement(state, connection, wrong)

    with pytest.raises(Exception) as raised:  # each store has its own kind
        await state.settle(refused)

    assert not isinstance(raised.value, Unwritable)  # which promises that trying again may help
    assert await state.lanes(connection) == {0: 9}
    assert state.told(connection, ["mallory"]) == {}
    assert await state.failures(connection) == [letter(9)]
    assert await state.counts(connection) == Counts(delivered=8, failures={"invalid": 1})


@each_unwritable
async def test_a_settlement_that_cannot_be_written_harms_no_other(state: State, wrong: dict[str, object]) -> None:
    connection, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    refused = await refused_settlement(state, connection, wrong)
    good = [Settlement(connection=other, lanes={n: 1}, delivered=1, told={f"p{n}": told(f"p{n}")}) for n in range(40)]

    results = await asyncio.gather(
        *(state.settle(settlement) for settlement in good[:20]),
        state.settle(refused),
        state.add_token("hog_one"),
        *(state.settle(settlement) for settlement in good[20:]),
        return_exceptions=True,
    )

    assert [type(result) for result in results if result is not None] == [type(results[20])]
    assert isinstance(results[20], Exception)
    assert (await state.counts(other)).delivered == 40
    assert await state.lanes(other) == dict.fromkeys(range(40), 1)
    assert len(await state.find_people(other, "")) == 40
    assert await state.tokens() == ["hog_one"]
    assert await state.counts(connection) == Counts(delivered=8, failures={"invalid": 1})


async def test_a_failure_keeps_all_that_is_needed_to_look_at_it(state: State) -> None:
    connection = await installed(state)
    kept = letter(
        3,
        event=b"\x00\xff\x93",
        refusals=(
            Refusal("invalid", "It says \N{SNOWMAN} 'no'.", "attributes.email", b'{"a":"\xf0\x9f\x90\x97"}'),
            Refusal("too_large"),
        ),
    )
    await state.settle(Settlement(connection=connection.id, lanes={}, failures=[kept]))
    assert await state.failures(connection.id) == [kept]
    assert (await state.counts(connection.id)).failures == {"invalid": 1}  # by the first of its refusals


@pytest.mark.parametrize(
    ("after", "limit", "positions"), [(0, 2, [1, 2]), (2, 2, [3, 7]), (3, 9, [7, 8]), (8, 9, []), (0, 0, [])]
)
async def test_failures_are_paged_by_position(state: State, after: int, limit: int, positions: list[int]) -> None:
    connection = await installed(state)
    for position in (7, 1, 8, 3, 2):
        await state.settle(Settlement(connection=connection.id, lanes={}, failures=[letter(position)]))
    found = await state.failures(connection.id, after=after, limit=limit)
    assert found == [letter(position) for position in positions]


async def test_what_became_of_older_events_is_counted_by_run(store: Store, state: State) -> None:
    connection = await installed(state)
    for _ in range(2):
        await state.settle(
            Settlement(connection=connection.id, lanes={}, delivered=2, runs={7: {"delivered": 2, "filtered x": 1}})
        )
    other = await store.state()
    for one in (state, other):
        assert await one.run_counts(connection.id, 7) == {"delivered": 4, "filtered x": 2}
        assert await one.run_counts(connection.id, 8) == {}
        assert await one.counts(connection.id) == Counts(delivered=4)
    await state.drop_runs([7])
    for one in (state, other):
        assert await one.run_counts(connection.id, 7) == {}
        assert await one.counts(connection.id) == Counts(delivered=4)
    await other.close()


async def test_of_what_waits_for_the_event_log_the_oldest_goes_when_it_is_too_much(state: State) -> None:
    connection = await installed(state)
    for position in (1, 2, 3):
        await state.settle(Settlement(connection=connection.id, lanes={}, noted=Noted(positions=[position])))
    waiting = await state.unlogged(0, 10)
    size_bytes = sum(len(one.noted) + len(one.sent) for one in waiting)
    assert await state.drop_unlogged(size_bytes) == 0
    assert await state.drop_unlogged(size_bytes - 1) == 1
    assert await state.unlogged(0, 10) == waiting[1:]
    assert await state.drop_unlogged(0) == 2
    assert await state.unlogged(0, 10) == []
