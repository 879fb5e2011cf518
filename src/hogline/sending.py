"""Events from a file: kept and followed until they are settled, or only previewed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hogline.delivery.clock import Clock
from hogline.delivery.tally import Tally
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Event, Person, accept
from hogline.posthog.lines import read_lines
from hogline.posthog.received import Unreadable
from hogline.store.base import Connection, Journal, State
from hogline.views import BadLine, Delivery, OperationView, PreviewedEvent


class Sending:
    """Events that somebody waits for."""

    def __init__(
        self, *, journal: Journal, clock: Clock, connections: Sequence[Connection], tallies: dict[int, Tally]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._connections = connections
        self.tallies = tallies
        self.touched_s = clock.now_s()

    async def keep(self, lines: Sequence[tuple[int, bytes]]) -> list[BadLine]:
        bodies: list[bytes] = []
        refused: Counter[str] = Counter()
        bad: list[BadLine] = []
        received_ms = self._clock.time_ms()
        for number, line in lines:
            try:
                batch = read_lines(line, received_ms)
            except Unreadable as problem:
                refused[problem.reason] += 1
                bad.append(BadLine(number, problem.sentence))
                continue
            bodies += [received.body for received in batch.received]
            refused.update(batch.refused)
            if batch.problem is not None:
                bad.append(BadLine(number, batch.problem.sentence))
        if bodies or refused:
            end = await self._journal.append(bodies, refused)
            for tally in self.tallies.values():
                tally.claim(range(end - len(bodies) + 1, end + 1))
        return bad

    async def wait(self, wait_s: float) -> None:
        """Returns when all is settled, or after that time."""
        waiting = [asyncio.ensure_future(tally.wait()) for tally in self.tallies.values()]
        _, late = await asyncio.wait(waiting, timeout=wait_s)
        for task in late:
            task.cancel()

    def deliveries(self, standing: Mapping[int, tuple[str, str | None]]) -> list[Delivery]:
        found = []
        for connection in self._connections:
            tally = self.tallies[connection.id]
            state, reason = standing.get(connection.id, ("stopped", "It was disconnected."))
            found.append(
                Delivery(
                    connection=connection.name,
                    events=tally.claimed,
                    delivered=tally.delivered,
                    filtered=dict(tally.filtered),
                    dead_letters=dict(tally.dead_letters),
                    pending=tally.claimed - tally.settled,
                    state=state,
                    reason=reason,
                )
            )
        return found


class Preview:
    """What events would come to, one after the other, as if all were accepted. Nothing is kept of it."""

    def __init__(self, state: State, connections: Sequence[Connection], clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self.touched_s = clock.now_s()
        self._planners = [_Planner(connection) for connection in connections] or [_Planner(None)]

    async def lines(self, lines: Sequence[tuple[int, bytes]]) -> tuple[list[PreviewedEvent], list[BadLine]]:
        previewed: list[PreviewedEvent] = []
        bad: list[BadLine] = []
        received_ms = self._clock.time_ms()
        for number, line in lines:
            try:
                batch = read_lines(line, received_ms)
            except Unreadable as problem:
                bad.append(BadLine(number, problem.sentence))
                continue
            if batch.problem is not None:
                bad.append(BadLine(number, batch.problem.sentence))
            for received in batch.received:
                previewed += [await planner.preview(number, received.event, self._state) for planner in self._planners]
        return previewed, bad


class _Planner:
    def __init__(self, connection: Connection | None) -> None:
        self._id = connection.id if connection else None
        self._name = connection.name if connection else "customerio"
        self._destination: Destination[Any] = DESTINATIONS[connection.destination if connection else "customerio"]
        given: Mapping[str, object] = connection.options if connection else {"site_id": "preview", "api_key": "preview"}
        self._options = self._destination.read_options(given)
        self._people: dict[str, Person | None] = {}

    async def preview(self, line: int, event: Event, state: State) -> PreviewedEvent:
        distinct_id = event.distinct_id
        if distinct_id not in self._people:
            found = await state.people(self._id, [distinct_id]) if self._id is not None else {}
            self._people[distinct_id] = found.get(distinct_id)
        plan = self._destination.plan(event, self._people[distinct_id], self._options)
        person = plan.person
        for operation in plan.operations:
            person = accept(person, operation.promise) if person is not None else None
        self._people[distinct_id] = person
        return PreviewedEvent(
            connection=self._name,
            line=line,
            event=event.name,
            distinct_id=distinct_id,
            uuid=event.uuid,
            operations=[
                OperationView(operation.action, operation.path or "batch", msgspec.json.decode(operation.body))
                for operation in plan.operations
            ],
            filtered=plan.filtered,
            refused=plan.refusals[0].reason if plan.refusals else None,
            adjusted=list(plan.adjusted),
        )
