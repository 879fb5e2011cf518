"""What events would lead to if they were sent now, without keeping them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hogline.backfill.sending import received_in
from hogline.backfill.views import BadLine, JoinedView, OperationView, PreviewedEvent, ReleasedEvent, Row
from hogline.clock import Clock
from hogline.core.items import Item, Origin
from hogline.delivery.installed import Installed, installed
from hogline.delivery.rehearsal import Rehearsal
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.given import begun
from hogline.model import Operation
from hogline.posthog.entry import Entry
from hogline.posthog.json_text import read_text
from hogline.posthog.received import Received, Unreadable
from hogline.posthog.uuids import Uuids, told_apart
from hogline.store.base import Connection, State

NO_CONNECTION = Connection(
    id=0,
    name="customerio",
    destination="customerio",
    options=begun(CUSTOMERIO.options, {"site_id": "preview", "api_key": "preview"}),
    paused=True,
    stopped=None,
    start=0,
    created_ms=0,
)
"""What is previewed before there is any: Customer.io with the defaults."""


class Preview:
    """What events would become, in order, as if all were accepted. Nothing is saved."""

    def __init__(self, state: State | None, connections: Sequence[Installed[Any]], clock: Clock) -> None:
        """Without a state there are no known people; without a connection it uses Customer.io with default
        options.
        """
        self._clock = clock
        self._uuids = Uuids()
        self._rehearsals = [_Previewed(connection, state, clock) for connection in connections] or [
            _Previewed(installed(NO_CONNECTION), None, clock)
        ]

    async def lines(self, lines: Sequence[tuple[int, bytes]]) -> tuple[list[PreviewedEvent], list[BadLine]]:
        """Of numbered lines as they would be sent to Hogline right now."""
        found: list[PreviewedEvent] = []
        bad: list[BadLine] = []
        for number, line in lines:
            try:
                batch = read_text(line, self._clock.time_ms())
            except Unreadable as problem:
                bad.append(BadLine(number, problem.sentence))
                continue
            several = len(batch.received) + len(batch.problems) > 1
            bad += [
                BadLine(number, f"Event {place}: {why.sentence}" if several else why.sentence)
                for place, why in batch.problems
            ]
            for received in batch.received:
                found += await self._event(received, "", number)
        return found, bad

    async def rows(self, rows: Sequence[Row]) -> list[PreviewedEvent]:
        """Of rows of files."""
        return [event for row in rows for event in await self._event(received_in(row), row.file, row.number)]

    async def _event(self, received: Received, file: str, line: int) -> list[PreviewedEvent]:
        event = told_apart(received, self._uuids).entry
        return [await rehearsal.preview(file, line, event) for rehearsal in self._rehearsals]


class _Previewed:
    """The preview for one connection."""

    def __init__(self, one: Installed[Any], state: State | None, clock: Clock) -> None:
        self._name = one.connection.name
        self._rehearsal = Rehearsal(one, clock, state=state)
        self._held_lines: dict[int, tuple[str, int]] = {}

    async def preview(self, file: str, line: int, event: Entry) -> PreviewedEvent:
        position = self._rehearsal.add(event)
        rehearsed = await self._rehearsal.ship()
        assert rehearsed is not None  # the event waited
        follows: list[Operation] = []
        while (more := await self._rehearsal.ship()) is not None:
            follows += more.shipment.operations
        shipment = rehearsed.shipment
        sent: dict[int, list[Operation]] = {}
        for operation, effect in zip(shipment.operations, shipment.effects, strict=True):
            # What an event taught goes along although it is not sent itself.
            item = effect.item if effect.item is not None else shipment.items[-1]
            sent.setdefault(id(item), []).append(operation)
        own = shipment.items[-1]
        if own.held:
            self._held_lines[position] = file, line
        return PreviewedEvent(
            connection=self._name,
            file=file,
            line=line,
            event=event.name,
            distinct_id=event.distinct_id,
            uuid=event.uuid,
            person=self._rehearsal.who(event),
            joined=next((JoinedView(*join) for join in rehearsed.settlement.absorbed.items()), None),
            released=[
                self._released(item, sent.get(id(item), ())) for item in shipment.items if item.origin is Origin.HELD
            ],
            operations=_shown(sent.get(id(own), ())),
            filtered=own.filtered,
            held=own.held,
            refused=_refused(own),
            adjusted=list(own.adjusted),
            left_out=self._rehearsal.left_out(own),
            follows=_shown(follows),
        )

    def _released(self, item: Item, operations: Sequence[Operation]) -> ReleasedEvent:
        event = item.entry
        assert event is not None  # only events are held
        file, line = self._held_lines.pop(item.position, ("", None))
        return ReleasedEvent(
            event=event.name,
            distinct_id=event.distinct_id,
            uuid=event.uuid,
            file=file,
            line=line,
            operations=_shown(operations),
            refused=_refused(item),
        )


def _shown(operations: Sequence[Operation]) -> list[OperationView]:
    return [OperationView(one.action, one.path or "batch", msgspec.json.decode(one.body)) for one in operations]


def _refused(item: Item) -> str | None:
    return item.refusals[0].reason if item.refusals else None
