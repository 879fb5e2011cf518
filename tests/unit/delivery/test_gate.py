"""The gate before a destination: rate, and one at a time while it is in trouble."""

import asyncio
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogline.delivery.gate import Gate, Rate
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio


def gate(clock: SkippingClock, per_second: int = 100) -> Gate:
    return Gate(Rate(per_second, clock), clock, lambda: 0.5)


@given(st.integers(1, 200), st.lists(st.floats(0, 0.5), min_size=1, max_size=400))
@settings(deadline=None)
def test_never_more_than_the_rate_in_any_second(per_second: int, pauses: list[float]) -> None:
    clock = SkippingClock()
    rate = Rate(per_second, clock)
    passed: deque[float] = deque()
    for pause in pauses:
        clock.at_s += max(rate.wait_s(), pause)
        rate.take()
        passed.append(clock.at_s)
        while passed[0] <= clock.at_s - 1 + 1e-6:
            passed.popleft()
        assert len(passed) <= max(per_second, 1)


@pytest.mark.parametrize("per_second", [10, 100, 1_000])
def test_under_load_at_least_95_percent_of_the_rate_is_used(per_second: int) -> None:
    clock = SkippingClock()
    rate = Rate(per_second, clock)
    begin = clock.at_s
    for _ in range(per_second * 20):
        clock.at_s += rate.wait_s()
        rate.take()
    assert per_second * 20 / (clock.at_s - begin) >= 0.95 * per_second


async def test_while_all_is_well_nobody_waits_for_another() -> None:
    clock = SkippingClock()
    door = gate(clock)
    door.succeeded()
    async with door.passing(), door.passing():
        assert door.trouble is None


async def test_after_a_failure_it_waits_and_says_why() -> None:
    clock = SkippingClock()
    door = gate(clock)
    async with door.passing():
        door.failed("It is down.", None)
    assert door.trouble == "It is down."
    before = clock.at_s
    async with door.passing():
        assert clock.at_s - before == pytest.approx(0.5)
        door.succeeded()
    assert door.trouble is None


async def test_failures_of_requests_that_were_out_together_count_as_one() -> None:
    clock = SkippingClock()
    door = gate(clock)
    for _ in range(30):
        door.failed("It is down.", None)
    before = clock.at_s
    async with door.passing():
        assert clock.at_s - before == pytest.approx(0.5)
        door.succeeded()


async def test_in_trouble_one_tries_and_afterwards_all_go_at_once() -> None:
    clock = SkippingClock()
    door = gate(clock)
    inside = most_in_trouble = most_after = 0
    well = False

    async def pass_through() -> None:
        nonlocal inside, most_in_trouble, most_after, well
        async with door.passing():
            inside += 1
            if well:
                most_after = max(most_after, inside)
            else:
                most_in_trouble = max(most_in_trouble, inside)
            for _ in range(5):
                await asyncio.sleep(0)
            inside -= 1
            if clock.at_s > 1_003:
                well = True
                door.succeeded()
            else:
                door.failed("It is down.", None)

    door.failed("It is down.", None)
    await asyncio.gather(*(pass_through() for _ in range(10)))
    assert most_in_trouble == 1
    assert most_after > 1


async def test_who_leaves_by_an_exception_lets_nobody_else_try() -> None:
    """The probe was told that the key is wrong: the others are about to be stopped, and must not ask as well."""
    door = gate(SkippingClock())
    door.failed("It is down.", None)
    tried = []

    async def try_it(number: int) -> None:
        async with door.passing():
            tried.append(number)
            await asyncio.sleep(0)
            raise ZeroDivisionError

    trying = [asyncio.create_task(try_it(number)) for number in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    for task in trying:
        task.cancel()
    await asyncio.gather(*trying, return_exceptions=True)
    assert tried == [0]


async def test_new_shipments_wait_until_somebody_got_through() -> None:
    clock = SkippingClock()
    door = gate(clock)
    door.failed("It is down.", None)
    opening = asyncio.ensure_future(door.wait_open())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not opening.done()
    async with door.passing():
        door.succeeded()
    await opening


async def test_it_says_since_when_and_when_it_tries_again() -> None:
    clock = SkippingClock()
    door = gate(clock)
    began_ms = clock.time_ms()
    assert (door.since_ms, door.next_try_ms) == (began_ms, None)
    clock.at_s += 10
    async with door.passing():
        door.failed("It is down.", 30.0)
    failed_ms = clock.time_ms()
    assert (door.since_ms, door.next_try_ms) == (failed_ms, failed_ms + 30_000)
    clock.at_s += 40
    async with door.passing():
        door.failed("It is still down.", 60.0)
    assert (door.since_ms, door.next_try_ms) == (failed_ms, clock.time_ms() + 60_000)
    clock.at_s += 70
    door.succeeded()
    assert (door.since_ms, door.next_try_ms) == (clock.time_ms(), None)
    clock.at_s += 70
    door.succeeded()
    assert door.since_ms == clock.time_ms() - 70_000
