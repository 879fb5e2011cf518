"""Any settlements, one after the other or together, come to what a plain dictionary would hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field

from hogline.core.changes import Failure, Settlement
from hogline.core.told import Told
from hogline.store.base import Counts, State
from hogline.testing.stores.words import installed, letter, told

IDS = ["ann", "Bob", "zoë", "%"]
few = st.integers(0, 3)
reasons = st.dictionaries(st.sampled_from(["a", "b", "it's"]), few, max_size=3)
tolds = st.dictionaries(st.sampled_from(IDS), st.none() | st.builds(told, st.sampled_from(IDS)), max_size=3)

# What Hogline's own mistake would look like: a failure that nobody refused.
unwritable = st.integers(0, 9).map(lambda one: one == 0)
settlements = st.fixed_dictionaries(
    {
        "lanes": st.dictionaries(st.integers(0, 3), st.integers(1, 50), max_size=4),
        "told": tolds,
        "delivered": few,
        "filtered": reasons,
        "adjusted": reasons,
        "failures": st.lists(st.sampled_from(["invalid", "too_large"]), max_size=3),
        "requests": few,
        "retries": reasons,
        "unwritable": unwritable,
    }
)


def settlement(connection: int, values: Mapping[str, object], positions: Iterator[int]) -> Settlement:
    """From drawn values, with failures at new positions."""
    drawn = msgspec.convert(values["failures"], list[str])
    letters = [letter(next(positions), reason) for reason in drawn]
    if values["unwritable"]:
        letters.append(letter(next(positions), refusals=()))
    rest = {name: value for name, value in values.items() if name not in {"failures", "unwritable"}}
    return Settlement(connection=connection, failures=letters, **rest)  # type: ignore[arg-type]


class Expected(Struct):
    """What a connection's settlements come to."""

    lanes: dict[int, int] = {}
    told: dict[str, Told | None] = {}
    letters: dict[int, Failure] = {}
    delivered: int = 0
    requests: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    adjusted: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)

    def settle(self, settlement: Settlement) -> bool:
        """False: it cannot be written, and nothing of it counts."""
        if any(not one.refusals for one in settlement.failures):
            return False
        for lane, position in settlement.lanes.items():
            self.lanes[lane] = max(position, self.lanes.get(lane, 0))
        self.told |= settlement.told
        self.letters |= {one.position: one for one in settlement.failures}
        self.delivered += settlement.delivered
        self.requests += settlement.requests
        self.filtered.update(settlement.filtered)
        self.adjusted.update(settlement.adjusted)
        self.retries.update(settlement.retries)
        return True

    def counts(self) -> Counts:
        return Counts(
            delivered=self.delivered,
            filtered=dict(+self.filtered),
            failures=dict(Counter(one.reason for one in self.letters.values())),
            adjusted=dict(+self.adjusted),
            requests=self.requests,
            retries=dict(+self.retries),
        )


async def same(state: State, connection: int, expected: Expected) -> None:
    assert await state.lanes(connection) == expected.lanes
    kept = {one: told for one, told in expected.told.items() if told is not None}
    assert state.told(connection, IDS) == kept
    assert await state.find_people(connection, "") == sorted(kept)
    assert await state.failures(connection) == [expected.letters[one] for one in sorted(expected.letters)]
    assert await state.counts(connection) == expected.counts()


@given(groups=st.lists(st.lists(settlements, min_size=1, max_size=5), max_size=5))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_settlements_come_to_what_a_plain_dictionary_holds(
    state: State, groups: Sequence[Sequence[dict[str, object]]]
) -> None:
    """The settlements of a group are handed in together, to share a commit; they count in that order."""
    connection = (await installed(state, f"connection {len(await state.connections())}")).id
    expected, positions = Expected(), count(1)
    for group in groups:
        made = [settlement(connection, values, positions) for values in group]
        results = await asyncio.gather(*(state.settle(one) for one in made), return_exceptions=True)
        assert [result is None for result in results] == [expected.settle(one) for one in made]
        await same(state, connection, expected)
