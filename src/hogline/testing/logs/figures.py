"""What a history promises: figures of every connection over time, minutes of a day and hours of 60 days, no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from hogline.store.figures import HOUR_S, HOURS_KEPT_S, MINUTE_S, MINUTES_KEPT_S, Figure, FigureKind, Figures, Point

NOON_S = 1_793_534_400
FAR_S = 2 * HOURS_KEPT_S


@pytest.fixture
async def history(opens: Callable[[], Figures]) -> AsyncIterator[Figures]:
    opened = opens()
    yield opened
    await opened.close()


async def everything(history: Figures, step_s: int = MINUTE_S, connection: int = 1) -> list[Point]:
    return await history.read(connection, since_s=NOON_S - FAR_S, until_s=NOON_S + FAR_S, step_s=step_s)


async def test_a_new_history_is_empty(history: Figures) -> None:
    assert await everything(history) == []
    assert await everything(history, HOUR_S) == []


async def test_what_is_added_is_in_its_minute_and_in_its_hour(history: Figures) -> None:
    await history.add([Figure(1, "received", 3)], NOON_S + 61)
    assert await everything(history) == [Point(NOON_S + 60, "received", "", 3)]
    assert await everything(history, HOUR_S) == [Point(NOON_S, "received", "", 3)]


async def test_what_is_added_twice_adds_up(history: Figures) -> None:
    await history.add([Figure(1, "filtered", 3, "not_identified"), Figure(1, "filtered", 1, "allowlist")], NOON_S)
    await history.add([Figure(1, "filtered", 4, "not_identified")], NOON_S + 59)
    await history.add([Figure(1, "filtered", 5, "not_identified")], NOON_S + 60)
    assert await everything(history, HOUR_S) == [
        Point(NOON_S, "filtered", "allowlist", 1),
        Point(NOON_S, "filtered", "not_identified", 12),
    ]
    assert [point.n for point in await everything(history) if point.reason == "not_identified"] == [7, 5]


@pytest.mark.parametrize("kind", ["pending", "lag_ms"])
async def test_of_what_waits_a_longer_time_shows_the_most(history: Figures, kind: FigureKind) -> None:
    for n, at_s in ((5, 0), (9, 1), (2, 60)):
        await history.add([Figure(1, kind, n)], NOON_S + at_s)
    assert [point.n for point in await everything(history)] == [9, 2]
    assert [point.n for point in await everything(history, 10 * MINUTE_S)] == [9]
    assert [point.n for point in await everything(history, HOUR_S)] == [9]


async def test_steps_begin_at_multiples_of_their_length(history: Figures) -> None:
    for minute in (-1, 0, 9, 10):
        await history.add([Figure(1, "received", 1)], NOON_S + 60 * minute)
    found = await history.read(1, since_s=NOON_S - 600, until_s=NOON_S + 1_200, step_s=600)
    assert [(point.at_s - NOON_S, point.n) for point in found] == [(-600, 1), (0, 2), (600, 1)]


async def test_reading_gives_what_lies_between_two_times(history: Figures) -> None:
    for minute in range(5):
        await history.add([Figure(1, "received", minute + 1)], NOON_S + 60 * minute)
    found = await history.read(1, since_s=NOON_S + 60, until_s=NOON_S + 180, step_s=60)
    assert [point.n for point in found] == [2, 3]


async def test_connections_have_nothing_to_do_with_each_other(history: Figures) -> None:
    await history.add([Figure(1, "received", 1), Figure(2, "received", 2)], NOON_S)
    assert [point.n for point in await everything(history, connection=1)] == [1]
    assert [point.n for point in await everything(history, connection=2)] == [2]


async def test_a_connection_that_is_gone_is_forgotten(history: Figures) -> None:
    await history.add([Figure(n, "received", n) for n in (1, 2, 3)], NOON_S)
    await history.keep_only({2, 7})
    assert [len(await everything(history, step, n)) for step in (60, HOUR_S) for n in (1, 2, 3)] == [0, 1, 0] * 2
    await history.keep_only([])
    assert await everything(history, connection=2) == []


async def test_what_is_0_needs_no_room(history: Figures) -> None:
    await history.add([Figure(1, "received", 0)], NOON_S)
    await history.add([], NOON_S)
    assert await everything(history) == []


async def test_minutes_stay_for_a_day_and_hours_for_60_days(history: Figures) -> None:
    await history.add([Figure(1, "received", 1)], NOON_S)
    for later_s, minutes, hours in (
        (MINUTES_KEPT_S, 1, 1),
        (MINUTES_KEPT_S + 1, 0, 1),
        (HOURS_KEPT_S, 0, 1),
        (HOURS_KEPT_S + 1, 0, 0),
    ):
        await history.add([], NOON_S + later_s)
        assert (len(await everything(history)), len(await everything(history, HOUR_S))) == (minutes, hours)


async def test_it_does_not_grow_beyond_its_bounds(history: Figures) -> None:
    for hour in range(24 * 70):
        await history.add([Figure(1, "received", 1), Figure(1, "delivered", 1)], NOON_S - FAR_S + hour * HOUR_S)
    assert len(await everything(history)) == 2 * (MINUTES_KEPT_S // HOUR_S + 1)
    assert len(await everything(history, HOUR_S)) == 2 * (HOURS_KEPT_S // HOUR_S + 1)


async def test_a_clock_that_goes_back_loses_nothing(history: Figures) -> None:
    await history.add([Figure(1, "received", 1)], NOON_S)
    await history.add([Figure(1, "received", 2)], 0)
    await history.add([Figure(1, "received", 4)], NOON_S)
    assert [point.n for point in await everything(history)] == [5]


async def test_opened_again_it_has_what_was_added(opens: Callable[[], Figures]) -> None:
    for times in (1, 2, 3):
        history = opens()
        await history.add([Figure(1, "received", 1)], NOON_S)
        assert [point.n for point in await everything(history, HOUR_S)] == [times]
        await history.close()


async def test_closing_twice_does_no_harm(opens: Callable[[], Figures]) -> None:
    history = opens()
    await history.close()
    await history.close()
