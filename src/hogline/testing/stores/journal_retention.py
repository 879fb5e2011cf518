"""What the journal promises of time and space: when events came, and that only old or too many settled ones go."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.store.base import Journal
from hogline.testing.stores.words import NOW_MS, Store, body

ALL_MAY_STAY = 10**12
HOUR_MS = 3_600_000


async def one_an_hour(store: Store, journal: Journal, events: int) -> None:
    """Event 1 comes at NOW_MS, event 2 an hour later, and so on."""
    for number in range(1, events + 1):
        store.now_ms = NOW_MS + (number - 1) * HOUR_MS
        await journal.append([body(number)])


async def positions(journal: Journal) -> list[int]:
    return [position for position, _ in await journal.read(0, 1_000)]


async def test_it_is_known_when_an_event_came(store: Store, journal: Journal) -> None:
    await one_an_hour(store, journal, 3)
    assert [await journal.received_at(position) for position in (0, 1, 2, 3, 4)] == [
        None,
        NOW_MS,
        NOW_MS + HOUR_MS,
        NOW_MS + 2 * HOUR_MS,
        None,
    ]


@pytest.mark.parametrize(
    ("after_ms", "position"),
    [(-1, 1), (0, 1), (1, 2), (HOUR_MS, 2), (2 * HOUR_MS, 3), (2 * HOUR_MS + 1, 4), (99 * HOUR_MS, 4)],
)
async def test_the_first_event_of_a_time_is_found(store: Store, journal: Journal, after_ms: int, position: int) -> None:
    await one_an_hour(store, journal, 3)
    assert await journal.position_at(NOW_MS + after_ms) == position


async def test_in_an_empty_journal_every_time_is_ahead(journal: Journal) -> None:
    assert journal.first == 1
    assert await journal.position_at(0) == 1
    assert await journal.trim(10, received_before_ms=NOW_MS, most_bytes=0) == 0


@pytest.mark.parametrize(
    ("settled", "before_hours", "most_bytes", "left"),
    [
        (5, 3, ALL_MAY_STAY, [4, 5]),
        (2, 99, ALL_MAY_STAY, [3, 4, 5]),
        (5, 99, ALL_MAY_STAY, []),
        (99, 99, ALL_MAY_STAY, []),
        (0, 99, 0, [1, 2, 3, 4, 5]),
        (5, 0, ALL_MAY_STAY, [1, 2, 3, 4, 5]),
        (3, 0, 0, [4, 5]),
    ],
    ids=["old", "old but pending", "all old", "beyond the end", "nothing settled", "all new", "too many bytes"],
)
async def test_only_settled_events_that_are_old_or_too_many_are_removed(
    *, store: Store, journal: Journal, settled: int, before_hours: int, most_bytes: int, left: list[int]
) -> None:
    await one_an_hour(store, journal, 5)
    before_ms = NOW_MS + before_hours * HOUR_MS

    removed = await journal.trim(settled, received_before_ms=before_ms, most_bytes=most_bytes)

    assert removed == 5 - len(left)
    assert await positions(journal) == left
    assert journal.first == (left[0] if left else 6)
    assert journal.end == 5
    assert await journal.trim(settled, received_before_ms=before_ms, most_bytes=most_bytes) == 0


async def test_a_position_is_never_given_twice_even_when_all_before_it_are_gone(store: Store) -> None:
    journal = await store.journal()
    await journal.append([body(1), body(2)])
    await journal.trim(2, received_before_ms=0, most_bytes=0)
    await journal.close()

    journal = await store.journal()
    assert (journal.first, journal.end) == (3, 2)
    assert await journal.append([body(3)]) == 3
    assert await journal.read(0, 10) == [(3, body(3))]
    assert (journal.first, journal.end) == (3, 3)
    await journal.close()


async def test_events_take_space_and_give_it_back(journal: Journal) -> None:
    empty = await journal.size_bytes()
    await journal.append([b"x" * 10_000 for _ in range(100)])
    assert await journal.size_bytes() > empty + 1_000_000
    await journal.trim(100, received_before_ms=0, most_bytes=0)
    assert await journal.size_bytes() < empty + 100_000


async def test_trimming_wakes_nobody_and_harms_no_sender(store: Store, journal: Journal) -> None:
    await one_an_hour(store, journal, 3)
    await journal.trim(2, received_before_ms=0, most_bytes=0)
    assert await journal.append([body(4)]) == 4
    assert await positions(journal) == [3, 4]


@given(
    hours=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    settled=st.integers(0, 14),
    before_hours=st.integers(0, 40),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_goes_was_settled_and_old_and_all_of_that_goes(
    *, store: Store, journal: Journal, hours: list[int], settled: int, before_hours: int
) -> None:
    """Each example appends behind those before it: they share one journal, whose clock goes on."""
    await journal.trim(journal.end, received_before_ms=0, most_bytes=0)
    start, start_ms = journal.end, store.now_ms
    for wait in hours:
        store.now_ms += wait * HOUR_MS
        await journal.append([body(1)])
    before_ms = start_ms + before_hours * HOUR_MS
    came = {position: await journal.received_at(position) or 0 for position in await positions(journal)}

    await journal.trim(start + settled, received_before_ms=before_ms, most_bytes=ALL_MAY_STAY)

    assert await positions(journal) == [
        position for position, at_ms in came.items() if position > start + settled or at_ms >= before_ms
    ]
