"""What a shipment says to the event log: each of its events with what happened to it, and the operations as they were
sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hogline.core.changes import Noted, Sent
from hogline.core.items import Item, OperationOutcome, Origin
from hogline.core.lanes import checksum, checksum_of_name
from hogline.core.settle import answered
from hogline.core.shipment import Shipment
from hogline.destinations.base import People
from hogline.store.event_log import only


def noted(
    shipment: Shipment, people: People[Any] | None, outcomes: Sequence[OperationOutcome], *, began_ms: int, at_ms: int
) -> Noted | None:
    """For a shipment that is settled; None if there is no event in it."""
    # Every event takes this path: one look at each, in a few comprehensions.
    items = shipment.items
    positions = [item.position for item in items]
    if 0 in positions:
        items = [item for item in items if item.position]
        positions = [item.position for item in items]
    if not items:
        return None
    sent, refused = _sent(shipment, people, outcomes)
    return Noted(
        began_ms=began_ms,
        at_ms=at_ms,
        positions=positions,
        names=[item.name_checksum or _name_checksum(item) for item in items],
        people=[item.who_checksum or checksum(item.who) for item in items],
        others=_others(items, refused),
        sent=sent,
    )


def _name_checksum(item: Item) -> int:
    return 0 if item.entry is None else checksum_of_name(item.entry.name)


def _sent(
    shipment: Shipment, people: People[Any] | None, outcomes: Sequence[OperationOutcome]
) -> tuple[Sent, dict[int, str]]:
    """The operations; and why those that were rejected were, by their event's position."""
    # Columns of plain values: a tuple for each operation would keep Python's garbage collector busy.
    operations, effects = shipment.operations, shipment.effects
    rejected: dict[int, str] = {}
    if any(outcomes):
        found = list(answered(shipment, people, outcomes))
        operations, effects = [operation for operation, _, _ in found], [effect for _, effect, _ in found]
        rejected = {place: refusal.reason for place, (_, _, refusal) in enumerate(found) if refusal is not None}
    positions = [0 if effect.item is None else effect.item.position for effect in effects]
    refused: dict[int, str] = {}
    for place, reason in rejected.items():
        refused.setdefault(positions[place], reason)
    sent = Sent(
        positions=positions,
        actions=[operation.action for operation in operations],
        bodies=[each.body[: each.data_at] if each.data_at else each.body for each in operations],
        paths={place: operation.path for place, operation in enumerate(operations) if operation.path},
        rejected=rejected,
        adjusted={item.position: item.adjusted for item in shipment.items if item.adjusted},
    )
    return (only(sent, lambda position: position > 0) if 0 in positions else sent), refused


def _others(items: Sequence[Item], refused: dict[int, str]) -> dict[int, tuple[str, str]]:
    """What was not simply delivered. An event that is held and released in one shipment is there twice: the last
    outcome counts."""
    others: dict[int, tuple[str, str]] = {}
    held = Origin.HELD
    if not refused:  # the usual case: most were simply delivered, and one look tells
        items = [one for one in items if one.filtered is not None or one.refusals or one.origin is held]
    for item in items:
        position = item.position
        if item.refusals:
            others[position] = "failed", item.refusals[0].reason
        elif position in refused:
            others[position] = "failed", refused[position]
        elif item.filtered is not None:
            others[position] = "held" if item.held else "filtered", item.filtered
        elif item.origin is held:
            others.pop(position, None)
    return others
