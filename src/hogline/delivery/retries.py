"""Requests of shipments under way that have to be sent again: kept for the event log, and for anyone who looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from hogline.clock import Clock
from hogline.core.changes import Noted
from hogline.core.shipment import Shipment
from hogline.delivery.carrier import Retried
from hogline.model import Operation

KEPT = 20
"""The last ones of a shipment. An outage may take days."""


class Retries:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: dict[int, deque[tuple[int, str, list[int]]]] = {}
        """By shipment, as `Sent.retries`."""

    @contextmanager
    def of(self, shipment: Shipment) -> Iterator[Retried]:
        """While it is under way: tell it of each request that has to be sent again."""
        found = self._under_way[id(shipment)] = deque(maxlen=KEPT)

        def retried(operations: Sequence[Operation], answer: str, may_have_worked: bool) -> None:  # noqa: FBT001  # as declared
            if may_have_worked:
                shipment.doubt()
            sent = {id(operation) for operation in operations}
            pairs = zip(shipment.operations, shipment.effects, strict=True)
            positions = {each.item.position for one, each in pairs if id(one) in sent and each.item is not None}
            found.append((self._clock.time_ms(), answer, sorted(positions)))

        try:
            yield retried
        finally:
            del self._under_way[id(shipment)]

    def with_those(self, shipment: Shipment, noted: Noted) -> Noted:
        """What the event log is to learn, with the retries of the shipment."""
        if not (found := self._under_way[id(shipment)]):
            return noted
        return replace(noted, sent=replace(noted.sent, retries=list(found)))

    def for_event(self, position: int) -> list[tuple[int, str]]:
        """When it was sent without success (milliseconds since 1970), and what came back."""
        return [
            (at_ms, answer)
            for found in self._under_way.values()
            for at_ms, answer, positions in found
            if position in positions
        ]
