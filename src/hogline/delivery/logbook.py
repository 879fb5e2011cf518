"""What a shipment says to the event log: each of its events with what happened to it, and the operations as they were
sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from zlib import crc32

from hogline.core.items import Item, OperationOutcome
from hogline.core.settle import answered
from hogline.core.shipment import Shipment
from hogline.destinations.base import People
from hogline.store.event_log import DELIVERED, Noted, NotedShipment, Outcome, SentOperation, checksum

_checksum_of_name = lru_cache(10_000)(checksum)


def noted(
    shipment: Shipment,
    people: People[Any] | None,
    outcomes: Sequence[OperationOutcome],
    *,
    connection: int,
    began_ms: int,
    at_ms: int,
) -> NotedShipment:
    """For a shipment that is settled."""
    # Every event takes this path: tuples of what is at hand, and one look at each.
    sent: list[SentOperation] = []
    refused: dict[int, str] = {}
    for operation, effect, refusal in answered(shipment, people, outcomes):
        item = effect.item
        if item is None or item.entry is None:
            continue
        position, reason = item.position, ""
        if refusal is not None:
            reason = refusal.reason
            refused.setdefault(position, reason)
        sent.append((position, operation.action, operation.path or "", operation.body, reason))
    events: list[Noted] = []
    name_of, checksum_of = _checksum_of_name, crc32
    for item in shipment.items:
        entry = item.entry
        if entry is None:
            continue
        outcome = DELIVERED
        if item.filtered is not None or item.refusals or item.position in refused:
            outcome = _outcome(item, refused.get(item.position, ""))
        who = checksum_of(entry.distinct_id.encode("utf-8", "surrogatepass"))
        events.append((item.position, name_of(entry.name), who, outcome))
    return NotedShipment(connection, began_ms, at_ms, events, sent)


def _outcome(item: Item, refused: str) -> Outcome:
    """Of an event that was not simply delivered."""
    if item.refusals:
        return "failed", item.refusals[0].reason
    if refused:
        return "failed", refused
    return "held" if item.held else "filtered", item.filtered or ""
