"""What a journal promises: received events are kept before they are answered, in order, without gaps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.posthog.entry import FORGOTTEN
from hogline.store.backfilled import Stretch, Taken
from hogline.store.base import READ_BYTES, Journal
from hogline.testing.stores.words import Store, body


async def everything(journal: Journal) -> list[tuple[int, bytes]]:
    return await journal.read(0, 1_000_000)


async def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert journal.end == 0
    assert await everything(journal) == []
    assert await journal.refused() == {}


async def test_positions_are_1_2_3(journal: Journal) -> None:
    assert await journal.append([body(1)]) == 1
    assert await journal.append([body(2), body(3)]) == 3
    assert journal.end == 3
    assert await everything(journal) == [(1, body(1)), (2, body(2)), (3, body(3))]


async def test_many_senders_at_once_leave_no_gap_and_keep_each_senders_order(journal: Journal) -> None:
    sizes = [1 + sender % 5 for sender in range(60)]
    batches = [[body(1_000 * sender + n) for n in range(size)] for sender, size in enumerate(sizes)]

    last = await asyncio.gather(*(journal.append(batch) for batch in batches))

    kept = await everything(journal)
    assert [position for position, _ in kept] == list(range(1, sum(sizes) + 1))
    assert journal.end == sum(sizes)
    for batch, position in zip(batches, last, strict=True):
        assert [event for _, event in kept[position - len(batch) : position]] == batch


async def test_an_event_is_on_disk_when_append_returns(store: Store, journal: Journal) -> None:
    await journal.append([body(1)], {"no_name": 2})

    other = await store.journal()  # opened beside it: whatever it sees left the first one's memory
    try:
        assert other.end == 1
        assert await everything(other) == [(1, body(1))]
        assert await other.refused() == {"no_name": 2}
    finally:
        await other.close()


async def test_the_end_is_known_at_once_to_whoever_appended(journal: Journal) -> None:
    async def append(number: int) -> bool:
        return await journal.append([body(number)]) <= journal.end

    assert all(await asyncio.gather(*(append(number) for number in range(30))))


async def test_appending_nothing_changes_nothing(journal: Journal) -> None:
    assert await journal.append([]) == 0
    await journal.append([body(1)])
    assert await journal.append([], {}) == 1
    assert await everything(journal) == [(1, body(1))]


async def test_what_was_refused_at_the_door_is_counted_by_reason(journal: Journal) -> None:
    await journal.append([body(1)], {"no_name": 1})
    assert await journal.append([], {"no_name": 2, "blank_id": 1}) == 1
    await asyncio.gather(*(journal.append([], {"blank_id": 1}) for _ in range(10)))
    assert await journal.refused() == {"no_name": 3, "blank_id": 11}
    assert journal.end == 1


async def test_an_append_that_cannot_be_kept_harms_no_other(journal: Journal) -> None:
    unkeepable: list[bytes] = [body(100), None]  # type: ignore[list-item]  # an internal error
    results = await asyncio.gather(
        *(journal.append([body(n)], {"no_name": 1}) for n in range(20)),
        journal.append(unkeepable),
        *(journal.append([body(n)]) for n in range(20, 40)),
        return_exceptions=True,
    )

    assert isinstance(results.pop(20), Exception)
    assert sorted(results) == list(range(1, 41))  # type: ignore[type-var]
    assert sorted(event for _, event in await everything(journal)) == sorted(body(n) for n in range(40))
    assert await journal.refused() == {"no_name": 20}


@pytest.mark.parametrize(
    ("after", "limit", "positions"),
    [
        (0, 3, [1, 2, 3]),
        (3, 3, [4, 5, 6]),
        (8, 3, [9, 10]),
        (10, 3, []),
        (99, 3, []),
        (0, 0, []),
        (0, 99, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
async def test_reading_gives_at_most_so_many_events_behind_a_position(
    journal: Journal, after: int, limit: int, positions: list[int]
) -> None:
    await journal.append([body(n) for n in range(1, 11)])
    assert await journal.read(after, limit) == [(position, body(position)) for position in positions]


async def test_waiting_for_an_event_that_is_there_returns_at_once(journal: Journal) -> None:
    await journal.append([body(1), body(2)])
    async with asyncio.timeout(5):
        await journal.wait(0)
        await journal.wait(1)


async def test_everybody_who_waits_is_woken_by_the_event_they_wait_for(journal: Journal) -> None:
    first = [asyncio.ensure_future(journal.wait(0)) for _ in range(3)]
    second = asyncio.ensure_future(journal.wait(1))
    await asyncio.sleep(0)
    assert not any(waiting.done() for waiting in [*first, second])

    async with asyncio.timeout(5):
        await journal.append([body(1)])
        await asyncio.gather(*first)
        assert not second.done()
        await journal.append([body(2)])
        await second


async def test_refusals_alone_wake_nobody(journal: Journal) -> None:
    waiting = asyncio.ensure_future(journal.wait(0))
    await journal.append([], {"no_name": 1})
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_opened_again_it_goes_on_where_it_was(store: Store) -> None:
    for number in range(1, 4):
        journal = await store.journal()
        assert journal.end == number - 1
        assert await journal.append([body(number)], {"no_name": 1}) == number
        await journal.close()

    journal = await store.journal()
    assert await everything(journal) == [(n, body(n)) for n in (1, 2, 3)]
    assert await journal.refused() == {"no_name": 3}
    await journal.close()


async def test_closing_keeps_what_was_handed_in_before(store: Store) -> None:
    journal = await store.journal()
    appending = [asyncio.ensure_future(journal.append([body(n)])) for n in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    assert sorted(await asyncio.gather(*appending)) == list(range(1, 51))

    journal = await store.journal()
    assert journal.end == 50
    await journal.close()


async def test_closing_twice_does_no_harm(store: Store) -> None:
    journal = await store.journal()
    await journal.close()
    await journal.close()


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_bytes_come_back_as_they_are(journal: Journal, events: list[bytes]) -> None:
    before = journal.end
    await journal.append(events)
    assert [event for _, event in await journal.read(before, 100)] == events


async def test_events_are_read_by_bytes_but_never_none(journal: Journal) -> None:
    sizes = [10, 10, 10, 500, 10, READ_BYTES, READ_BYTES]
    await journal.append([b"x" * size for size in sizes])

    async def positions(after: int, most_bytes: int = READ_BYTES) -> list[int]:
        return [position for position, _ in await journal.read(after, 100, most_bytes)]

    assert await positions(0, 30) == [1, 2, 3]
    assert await positions(0, 29) == [1, 2]
    assert await positions(3, 30) == [4]
    assert await positions(3, 510) == [4, 5]
    assert await positions(4) == [5]
    assert await positions(5) == [6]


async def test_how_far_a_run_of_older_events_is_is_kept_with_its_events(store: Store, journal: Journal) -> None:
    await journal.append([body(1)])
    await asyncio.gather(
        journal.append([body(2), body(3)], taken=Taken(7, 3, 1)),
        journal.append([body(4)]),
        journal.append([body(5)], taken=Taken(7, 4, 1)),
        journal.append([body(6)], taken=Taken(7, 5, 1)),
        journal.append([], taken=Taken(8, 9, 0)),
    )
    other = await store.journal()
    try:
        for one in (journal, other):
            assert one.backfilled.taken == {7: 5, 8: 9}
            assert one.backfilled.of(7) == [Stretch(2, 3, 7, 1), Stretch(5, 6, 7, 1)]
    finally:
        await other.close()


async def test_how_far_another_log_is_read_is_kept_with_its_events(store: Store, journal: Journal) -> None:
    far = -(2**62)
    await asyncio.gather(
        journal.append([body(1)], positions={far: 2**53, far + 1: 1}),
        journal.append([body(2)]),
        journal.append([body(3)], positions={far: 2**53 + 7}),
        journal.append([], positions={far + 2: 0}),
        journal.append([], {"unreadable": 1}, positions={far + 3: 5}),
    )
    await journal.drop_runs([far + 3])
    other = await store.journal()
    try:
        for one in (journal, other):
            assert one.backfilled.taken == {far: 2**53 + 7, far + 1: 1, far + 2: 0}
            assert one.backfilled.stretches == []
            assert one.end == 3
    finally:
        await other.close()


async def test_how_far_a_run_was_goes_when_it_is_dropped(store: Store, journal: Journal) -> None:
    for run in (7, 8):
        await journal.append([body(run)], taken=Taken(run, 1, 1))
    await journal.drop_runs([7])
    other = await store.journal()
    try:
        for one in (journal, other):
            assert one.backfilled.taken == {8: 1}
            assert len(one.backfilled.stretches) == 2
    finally:
        await other.close()


async def test_where_space_is_short_older_events_make_room_before_live_ones_go(store: Store, journal: Journal) -> None:
    large = [body(n) + bytes(8_000) for n in range(1, 61)]
    await journal.append(large[:20])
    await journal.append(large[20:40], taken=Taken(7, 20, 1))
    await journal.append(large[40:50], taken=Taken(-1, 10, 0))  # from a source: these are live
    await journal.append(large[50:60], taken=Taken(8, 10, 1))
    size_bytes = await journal.size_bytes()
    times = [await journal.received_at(position) for position in range(1, 61)]
    assert await journal.trim(50, received_before_ms=0, most_bytes=size_bytes - 140_000) == 20
    assert await journal.size_bytes() <= size_bytes - 140_000
    other = await store.journal()
    try:
        for one in (journal, other):
            found = await one.read(0, 100, 2**62)
            assert [position for position, _ in found] == list(range(1, 61))
            assert [kept for _, kept in found] == [*large[:20], *[FORGOTTEN] * 20, *large[40:]]
            assert [await one.received_at(position) for position in range(1, 61)] == times
            assert (one.first, one.end) == (1, 60)
    finally:
        await other.close()
    await journal.trim(60, received_before_ms=0, most_bytes=size_bytes // 2)
    assert journal.first == 61


async def test_where_older_events_stand_goes_with_them(store: Store, journal: Journal) -> None:
    await journal.append([body(1), body(2)], taken=Taken(7, 2, 1))
    await journal.append([body(3)], taken=Taken(8, 1, 2))
    await journal.trim(2, received_before_ms=2**62, most_bytes=2**62)
    other = await store.journal()
    try:
        for one in (journal, other):
            assert one.backfilled.stretches == [Stretch(3, 3, 8, 2)]
            assert one.backfilled.taken == {7: 2, 8: 1}
    finally:
        await other.close()
