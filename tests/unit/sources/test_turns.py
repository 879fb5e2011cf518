"""Turns: one at a time, no sender twice before others came once, and whoever goes away is passed over."""

# mypy: allow-untyped-defs, allow-untyped-calls

import asyncio

import pytest

from hogline.sources.turns import Crowded, Turns

pytestmark = pytest.mark.anyio


async def take(turns, whose, served, release=None):
    async with turns.turn(whose):
        served.append(whose)
        if release is not None:
            await release.wait()


async def waiting(turns, release, *senders):
    """A turn is taken until `release`; the senders wait in this order."""
    served: list[str] = []
    tasks = [asyncio.create_task(take(turns, "first", served, release))]
    await asyncio.sleep(0)
    for sender in senders:
        tasks.append(asyncio.create_task(take(turns, sender, served)))
        await asyncio.sleep(0)
    return tasks, served


async def test_no_sender_comes_twice_before_another_came_once():
    turns, release = Turns(), asyncio.Event()
    tasks, served = await waiting(turns, release, "a", "a", "a", "b", "c")
    release.set()
    await asyncio.gather(*tasks)
    assert served == ["first", "a", "b", "c", "a", "a"]


async def test_of_one_sender_only_some_may_wait():
    turns, release = Turns(most_each=1), asyncio.Event()
    tasks, _ = await waiting(turns, release, "a", "b")
    with pytest.raises(Crowded):
        await take(turns, "a", [])
    release.set()
    await asyncio.gather(*tasks)


async def test_who_waits_too_long_is_told_so_and_the_next_comes():
    turns, release = Turns(wait_s=0.01), asyncio.Event()
    tasks, _ = await waiting(turns, release, "a")
    with pytest.raises(Crowded):
        await tasks[1]
    release.set()
    await tasks[0]
    await take(turns, "b", [])


@pytest.mark.parametrize("moment", ["before", "together", "after"])
async def test_who_goes_away_is_passed_over(moment):
    turns, release = Turns(), asyncio.Event()
    tasks, served = await waiting(turns, release, "a", "b")
    if moment == "before":
        tasks[1].cancel()
        await asyncio.sleep(0)
    release.set()
    if moment == "together":
        tasks[1].cancel()
    if moment == "after":
        await asyncio.sleep(0)
        tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served[-1] == "b"
    await take(turns, "c", served)
    assert served[-1] == "c"


async def test_all_go_away_in_one_moment_and_the_next_still_has_a_turn():
    turns, release = Turns(), asyncio.Event()
    tasks, served = await waiting(turns, release, *"aabbcc")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await take(turns, "d", served)
    assert served == ["first", "d"]
