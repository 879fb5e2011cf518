"""Which lane an event travels in, since ids may be joined: for any journal, and wherever it was interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from delivery_cases import event
from hogline.delivery.routes import Group, Move, Routes
from hypothesis import given, settings
from hypothesis import strategies as st

from hogline.core.lanes import Item, Lane, Lanes, lane_of
from hogline.delivery import routes as routes_module
from hogline.store.base import Route, State

pytestmark = pytest.mark.anyio


class Stored:
    """What a state keeps of routes, and nothing else of it."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Route, ...]] = {}

    async def routes(self, _connection: int, distinct_ids: Sequence[str]) -> dict[str, tuple[Route, ...]]:
        return {one: self.rows[one] for one in distinct_ids if one in self.rows}

    def keep(self, routes: Iterable[Route]) -> None:
        for route in routes:
            there = {one.since: one for one in self.rows.get(route.distinct_id, ())}
            there.setdefault(route.since, route)
            self.rows[route.distinct_id] = tuple(there[since] for since in sorted(there))


def opened(stored: Stored) -> Routes:
    state: State = stored  # type: ignore[assignment]  # all that routes ask of one
    return Routes(state, 1)


async def knowing(*distinct_ids: str) -> Routes:
    routes = opened(Stored())
    await routes.load(distinct_ids)
    return routes


async def test_who_was_never_joined_travels_alone() -> None:
    assert (await knowing("ada")).group("ada", 5) == Group("ada", 0)


async def test_two_joined_ids_travel_together_from_that_event_on() -> None:
    routes = await knowing("ada", "anon")
    routes.join("ada", "anon", 10)
    assert routes.group("ada", 10).name == routes.group("anon", 10).name == "ada"
    assert routes.group("anon", 9).name == "anon"


async def test_a_join_of_two_that_travel_together_already_changes_nothing() -> None:
    routes = await knowing("ada", "anon")
    assert routes.join("ada", "anon", 10)
    assert routes.join("anon", "ada", 11) == ()
    assert routes.join("ada", "ada", 12) == ()


async def test_a_circle_of_joins_ends() -> None:
    routes = await knowing("a", "b", "c")
    for position, (one, other) in enumerate([("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")], 1):
        routes.join(one, other, position)
    assert len({routes.group(one, 9).name for one in "abc"}) == 1


async def test_the_smaller_group_becomes_part_of_the_larger_one() -> None:
    ids = [f"id-{n}" for n in range(64)]
    routes = await knowing(*ids)
    for position, one in enumerate(ids[1:], 1):
        routes.join(one, "id-0", position)
    assert routes.group("id-0", 99).depth == 1


async def test_the_way_to_a_groups_name_stays_short_however_groups_are_joined() -> None:
    ids = [f"id-{n}" for n in range(64)]
    routes = await knowing(*ids)
    position, groups = 0, ids
    while len(groups) > 1:
        for one, other in zip(groups[::2], groups[1::2], strict=True):
            position += 1
            routes.join(one, other, position)
        groups = groups[::2]
    assert routes.group("id-63", position).depth == 6
    assert max(len(routes.moves(one)) for one in ids) <= 6


async def test_moves_tell_where_an_id_travelled_before() -> None:
    routes = await knowing("ada", "bob", "cleo")
    routes.join("ada", "bob", 3)
    routes.join("cleo", "bob", 7)
    assert routes.moves("bob") == [Move("bob", 3)]
    assert routes.moves("ada") == []
    assert routes.moves("cleo") == [Move("cleo", 7)]


async def test_what_is_on_disk_is_found_again_with_what_it_leads_to() -> None:
    stored = Stored()
    before = opened(stored)
    await before.load(["a", "b", "c"])
    stored.keep(before.join("a", "b", 1))
    stored.keep(before.join("a", "c", 2))
    after = opened(stored)
    await after.load(["b", "c"])
    assert after.group("b", 2).name == after.group("c", 2).name == "a"


async def test_what_is_not_settled_yet_is_not_forgotten_however_many_ids_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "MOST_IN_MEMORY", 10)
    routes = await knowing("a", "b")
    made = routes.join("a", "b", 1)
    await routes.load([f"other-{n}" for n in range(20)])
    await routes.load(["b"])
    assert routes.group("b", 1).name == "a"
    routes.settled(made)
    await routes.load([f"more-{n}" for n in range(20)])
    await routes.load(["one more"])
    assert len(routes._known) < 20


class Said(NamedTuple):
    """An event of the journal; with `other`, one that joins."""

    distinct_id: str
    other: str | None = None


IDS = st.sampled_from([f"id-{n}" for n in range(9)])
EVENTS = st.builds(Said, IDS, st.none())
JOINS = st.tuples(IDS, IDS).filter(lambda two: two[0] != two[1]).map(lambda two: Said(*two))
JOURNALS = st.lists(st.one_of(EVENTS, EVENTS, JOINS), min_size=1, max_size=40)


class Flight(NamedTuple):
    lane: Lane
    items: list[Item]


class Life:
    """What a worker does to lanes and routes between a start and a stop, without planning or sending anything."""

    def __init__(self, journal: Sequence[Said], stored: Stored, settled: dict[int, int]) -> None:
        self.journal = journal
        self.stored = stored
        self.settled_lanes = settled
        self.routes = opened(stored)
        self.lanes = Lanes(0, settled)
        self.lane_at: dict[int, int] = {}
        """The lane of each position that was read."""
        self.waiting: set[int] = set()
        self.flying: list[Flight] = []
        self.taken: list[int] = []
        self.landed: set[int] = set()

    async def read(self, events: int) -> None:
        for position in range(self.lanes.read + 1, min(self.lanes.read + events, len(self.journal)) + 1):
            one, other = self.journal[position - 1]
            await self.routes.load([one] if other is None else [one, other])
            if other is None:
                name = self.routes.group(one, position).name
                self.lanes.add(position, event(one), 1, name)
            else:
                leaving = [self.routes.group(who, position - 1).name for who in (one, other)]
                changed = self.routes.join(one, other, position)
                name = self.routes.group(one, position).name
                self.lanes.join(position, event(one), 1, name, other=other, routes=changed, leaving=leaving)
            self.lane_at[position] = lane_of(name)
            if position > self.settled_lanes.get(lane_of(name), 0):
                self.waiting.add(position)

    def take(self, which: int, most: int) -> None:
        """One of the ready lanes leaves with some of what may go."""
        ready = self.lanes.ready()
        if not ready:
            return
        lane = ready[which % len(ready)]
        lane.busy = True
        items: list[Item] = []
        while len(items) < most and (line := self.lanes.line(lane)):
            items.append(line[0])
            lane.take(line)
        self.taken += [item.position for item in items]
        self.flying.append(Flight(lane, items))

    def land(self, which: int) -> None:
        """What one lane sent is settled."""
        if not self.flying:
            return
        flight = self.flying.pop(which % len(self.flying))
        positions = self.lanes.settle([flight.lane])
        self.settled_lanes |= positions
        made = [route for item in flight.items for route in item.routes]
        self.stored.keep(made)
        self.routes.settled(made)
        self.lanes.settled(positions, [flight.lane], flight.items)
        self.landed |= {item.position for item in flight.items}

    async def to_the_end(self) -> None:
        await self.read(len(self.journal))
        while self.flying or self.lanes.ready():
            self.take(0, 3)
            self.land(0)


def groups(journal: Sequence[Said]) -> list[dict[str, set[str]]]:
    """For each position, who belongs together behind it."""
    everybody: dict[str, set[str]] = {}
    found = []
    for one, other in journal:
        mine = everybody.setdefault(one, {one})
        if other is not None:
            both = mine | everybody.setdefault(other, {other})
            everybody.update(dict.fromkeys(both, both))
        found.append(dict(everybody))
    return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 8), st.just(0)),
        st.tuples(st.just("take"), st.integers(0, 9), st.integers(1, 4)),
        st.tuples(st.just("land"), st.integers(0, 9), st.just(0)),
    ),
    max_size=60,
)


async def live(life: Life, steps: Sequence[tuple[str, int, int]]) -> None:
    for step, which, most in steps:
        match step:
            case "read":
                await life.read(which)
            case "take":
                life.take(which, most)
            case _:
                life.land(which)


each_memory = pytest.mark.parametrize("most_in_memory", [50_000, 2], ids=["all in memory", "hardly any in memory"])


@each_memory
@given(journal=JOURNALS, lives=st.lists(STEPS, max_size=3))
@settings(deadline=None, max_examples=150)
def test_wherever_it_stops_every_event_has_the_same_lane_and_what_is_settled_is_passed_over(
    most_in_memory: int, journal: list[Said], lives: list[list[tuple[str, int, int]]]
) -> None:
    async def check() -> None:
        whole = Life(journal, Stored(), {})
        await whole.to_the_end()
        stored, settled, landed = Stored(), dict[int, int](), set[int]()
        for steps in (*lives, None):
            life = Life(journal, stored, settled)
            await (life.to_the_end() if steps is None else live(life, steps))
            assert life.lane_at.items() <= whole.lane_at.items()
            assert life.waiting == set(life.lane_at) - landed
            assert not life.landed & landed  # nothing is settled twice
            landed |= life.landed
        assert landed == set(range(1, len(journal) + 1))  # and nothing is left, nor waits in a circle

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(routes_module, "MOST_IN_MEMORY", most_in_memory)
        asyncio.run(check())


@given(journal=JOURNALS, steps=STEPS)
@settings(deadline=None, max_examples=200)
def test_one_persons_events_leave_in_order_whatever_is_joined(
    journal: list[Said], steps: list[tuple[str, int, int]]
) -> None:
    """Whoever belongs together behind an event: what any of them did before has left, and is settled unless it
    leaves in the same lane."""

    async def check() -> None:
        together = groups(journal)
        life = Life(journal, Stored(), {})
        take = life.take

        def checked(which: int, most: int) -> None:
            settled_before, known = set(life.landed), len(life.taken)
            take(which, most)
            for index in range(known, len(life.taken)):
                position = life.taken[index]
                whose = together[position - 1][journal[position - 1].distinct_id]
                for earlier in range(1, position):
                    if journal[earlier - 1].distinct_id in whose and earlier not in settled_before:
                        assert earlier in life.taken[:index]
                        assert life.lane_at[earlier] == life.lane_at[position]

        life.take = checked  # type: ignore[method-assign]
        await live(life, steps)
        await life.to_the_end()

    asyncio.run(check())
