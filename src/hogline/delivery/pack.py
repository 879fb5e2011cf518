"""Packing: operations in order → the groups that become requests. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.destinations.base import Limits
from hogline.model import Operation


class Room:
    """How much still fits in the batch that is being filled."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = limits.envelope_bytes
        self._operations = 0
        self.full = False

    def takes(self, operations: Sequence[Operation]) -> bool:
        """Add one event's operations; False if they do not fit. The first event always fits: if it is too much for one
        request, it becomes several.

        An operation that travels alone fills the room, so that others need not wait behind it.
        """
        added = len(operations)
        alone = False
        for operation in operations:
            added += len(operation.body)
            alone = alone or operation.path is not None
        too_many = self._operations + len(operations) > self._limits.operations
        too_much = self._bytes + added > self._limits.request_bytes
        if self.full or (self._operations and (too_many or too_much)):
            self.full = True
            return False
        self._bytes += added
        self._operations += len(operations)
        self.full = alone or self._operations >= self._limits.operations
        return True


def pack(operations: Sequence[Operation], limits: Limits) -> list[list[Operation]]:
    """Consecutive groups, each one request, in order: batches within the limits; operations with a path alone."""
    groups: list[list[Operation]] = []
    room: Room | None = None
    for operation in operations:
        if room is not None and operation.path is None and room.takes((operation,)):
            groups[-1].append(operation)
        else:
            room = Room(limits)
            room.takes((operation,))
            groups.append([operation])
    return groups
