"""Live events and older ones of the same people at once: whatever comes between what, the newest value of each attribute
wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from desk_bench import NOW_S, Life, event
from hypothesis import given, settings
from hypothesis import strategies as st

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event

PEOPLE = ("u1", "u2")
NAMES = ("plan", "city", "email")


class Said(NamedTuple):
    person: str
    name: str
    value: str | None
    """None: the attribute is removed."""

    def event(self, at_s: int) -> Event:
        value = f"{self.value}-{self.person}@x.co" if self.name == "email" and self.value else self.value
        uuid = f"01890a5d-ac96-774b-bcce-{at_s:012d}"
        if value is None:
            return event(distinct_id=self.person, at_s=at_s, uuid=uuid, unset=(self.name,))
        return event(distinct_id=self.person, at_s=at_s, uuid=uuid, set={self.name: value})


said = st.builds(Said, st.sampled_from(PEOPLE), st.sampled_from(NAMES), st.none() | st.sampled_from("abc"))


class Customers:
    """Customer.io, which orders updates by their `timestamp`."""

    def __init__(self) -> None:
        self.attributes: dict[tuple[str, str], tuple[int, object]] = {}

    def take(self, operations: Sequence[Any]) -> None:
        for operation in operations:
            body = msgspec.json.decode(operation.body)
            if body["action"] != "identify":
                continue
            (person,) = body["identifiers"].values()
            for name, value in body["attributes"].items():
                at_s = self.attributes.get((person, name), (0, None))[0]
                if body["timestamp"] >= at_s:
                    self.attributes[person, name] = body["timestamp"], value


@settings(deadline=None)
@given(
    live=st.lists(said, max_size=12),
    older=st.lists(said, max_size=12),
    data=st.data(),
)
def test_whatever_comes_between_what_the_newest_value_of_each_attribute_wins(
    live: list[Said], older: list[Said], data: st.DataObject
) -> None:
    # Each event has a time of its own; older ones come by time, live ones as they like.
    times = data.draw(st.permutations([NOW_S + number for number in range(len(live) + len(older))]))
    events = list(zip(times, [*live, *older], strict=True))
    queues = [events[: len(live)], sorted(events[len(live) :])]
    customers = Customers()
    its = Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "site", "api_key": "key", "identify_by_email": False}))
    while any(queues):
        shipment = []
        for _ in range(data.draw(st.integers(1, 4))):
            queue = queues[data.draw(st.integers(0, 1))] or queues[0] or queues[1]
            if queue:
                at_s, one = queue.pop(0)
                shipment.append(one.event(at_s))
        customers.take(its.say(*shipment).operations)
        if data.draw(st.booleans()):
            its.crash()
    for person in PEOPLE:
        for name in NAMES:
            newest = max(((at_s, one.event(at_s)) for at_s, one in events if one[:2] == (person, name)), default=None)
            expected = newest[1].set.get(name) if newest is not None else None
            assert customers.attributes.get((person, name), (0, None))[1] == expected, (person, name)
