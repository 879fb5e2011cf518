"""Operations that are requests of their own: different people's go at the same time, each person's one after the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from delivery_cases import OK, failing, operation
from hypothesis import given
from hypothesis import strategies as st

from hogline.delivery.carrier import AT_ONCE, Carrier, Stopped
from hogline.delivery.gate import Gate, Rate
from hogline.delivery.pack import phases
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Operation, Request, Response
from hogline.telemetry.delivery import DeliveryWatch
from hogline.testing.clock import ManualClock, SkippingClock

pytestmark = pytest.mark.anyio

ALONE = "/api/v1/events"


class Slow:
    """Answers after a few turns of the loop. Remembers the bodies in the order in which they came."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.came: list[bytes] = []
        self.accepted: list[bytes] = []
        self.out = 0
        self.most_out = 0

    async def send(self, request: Request) -> Response:
        self.came.append(request.body)
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        for _ in range(5):
            await asyncio.sleep(0)
        self.out -= 1
        answer = self._answers.pop(0) if self._answers else OK
        if answer is OK:
            self.accepted.append(request.body)
        return answer


def carrier(server: Slow, clock: ManualClock, per_second: int = 1_000) -> Carrier[Any]:
    options = CUSTOMERIO.read_options({"site_id": "site", "api_key": "key"})
    return Carrier(
        CUSTOMERIO,
        options,
        send=server.send,
        gate=Gate(Rate(per_second, clock), clock, lambda: 0.5),
        clock=clock,
        watch=DeliveryWatch("customerio", clock),
    )


def alone(text: str) -> Operation:
    return Operation("event", b'{"name":"%b"}' % text.encode(), ALONE)


async def carried(server: Slow, operations: Sequence[Operation], people: Sequence[str]) -> list[object]:
    return list(await carrier(server, SkippingClock()).carry(operations, people=lambda: people))


async def test_different_people_do_not_wait_for_each_other() -> None:
    server = Slow()
    people = [f"u{n}" for n in range(2 * AT_ONCE)]
    assert await carried(server, [alone(who) for who in people], people) == [None] * len(people)
    assert AT_ONCE // 2 < server.most_out <= AT_ONCE


async def test_one_persons_go_one_after_the_other() -> None:
    server = Slow()
    await carried(server, [alone(f"{n}") for n in range(9)], ["u1"] * 9)
    assert server.most_out == 1
    assert server.came == [b'{"name":"%d"}' % n for n in range(9)]


async def test_a_failure_keeps_a_persons_order() -> None:
    server = Slow(OK, failing(503), failing(503))
    people = [f"u{n % 3}" for n in range(12)]
    await carried(server, [alone(f"{who} {n}") for n, who in enumerate(people)], people)
    for who in set(people):
        accepted = [int(body.split()[1][:-2]) for body in server.accepted if who.encode() in body]
        assert accepted == [n for n, one in enumerate(people) if one == who]
    assert Counter(server.came).total() == 14


async def test_outcomes_are_in_the_order_of_the_operations() -> None:
    server = Slow(failing(400))
    outcomes = await carried(server, [operation(), alone("bad"), operation(), alone("good")], ["u1", "u2", "u1", "u3"])
    assert [outcome is None for outcome in outcomes] == [True, False, True, True]
    assert len(server.came) == 3  # both others share a request


async def test_what_stops_the_connection_stops_it_once() -> None:
    server = Slow(OK, failing(401))
    with pytest.raises(Stopped):
        await carried(server, [alone(f"{n}") for n in range(50)], [f"u{n}" for n in range(50)])
    assert len(server.came) <= AT_ONCE


async def test_in_trouble_one_of_them_tries_and_the_others_wait() -> None:
    server, clock = Slow(OK, OK, OK, *[failing(503)] * 60), ManualClock()
    people = [f"u{n}" for n in range(2 * AT_ONCE)]
    sending = carrier(server, clock, per_second=10)
    carrying = asyncio.create_task(sending.carry([alone(who) for who in people], people=lambda: people))
    came = list[int]()
    for _ in range(400):  # tenths of a second
        await clock.advance(0.1)
        for _ in range(20):
            await asyncio.sleep(0)
        came.append(len(server.came))
    tries = [after - before for before, after in pairwise(came) if after > before]
    assert tries[-4:] == [1, 1, 1, 1]
    assert len(server.came) < 12
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_phases_keep_each_persons_order(kinds: list[tuple[str, bool]]) -> None:
    operations, people = [operation(path=ALONE if one else None) for _, one in kinds], [who for who, _ in kinds]
    found = phases(operations, people)
    order: list[int] = []
    for phase in found:
        order += [place for chain in phase.alone.values() for place in chain]
        order += phase.together
        assert all(operations[place].path is None for place in phase.together)
    assert sorted(order) == list(range(len(kinds)))
    for who in "abc":
        theirs = [place for place in order if people[place] == who]
        assert theirs == sorted(theirs)
    turns = max(
        (sum(a is None and b is not None for a, b in pairwise(each)) for each in _paths(kinds)),
        default=0,
    )
    assert len(found) == (turns + 1 if kinds else 0)


def _paths(kinds: list[tuple[str, bool]]) -> list[list[str | None]]:
    return [[ALONE if one else None for name, one in kinds if name == who] for who in "abc"]
