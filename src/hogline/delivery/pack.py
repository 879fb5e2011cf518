"""Packing: operations in order → the groups that become requests, and which of them may go at the same time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hogline.destinations.base import Limits
from hogline.model import Operation


def pack(operations: Sequence[Operation], limits: Limits) -> list[list[Operation]]:
    """Consecutive groups, each one request, in order: batches within the limits; operations with a path alone. An
    operation that is too large for any request is alone, too.
    """
    groups: list[list[Operation]] = []
    group: list[Operation] = []
    left_bytes = 0
    for operation in operations:
        size_bytes = len(operation.body) + 1  # and a comma
        if size_bytes > left_bytes or operation.path is not None or len(group) >= limits.operations:
            group = []
            groups.append(group)
            left_bytes = limits.request_bytes - limits.envelope_bytes
        group.append(operation)
        left_bytes = left_bytes - size_bytes if operation.path is None else 0
    return groups


class Phase(NamedTuple):
    """Operations by their places. Everything in a phase comes before the next one."""

    alone: dict[str, list[int]]
    """Those with a path, by person: one after the other. Different people's may go at the same time."""
    together: list[int]
    """Those of batches, which go after them."""


def phases(operations: Sequence[Operation], people: Sequence[str]) -> list[Phase]:
    """As few phases as keep each person's operations in order. `people`: whose each operation is."""
    found: list[Phase] = []
    last: dict[str, tuple[int, bool]] = {}
    for place, (operation, person) in enumerate(zip(operations, people, strict=True)):
        number, is_together = last.get(person, (0, False))
        if operation.path is not None and is_together:
            number += 1
        last[person] = number, operation.path is None
        if number == len(found):
            found.append(Phase({}, []))
        if operation.path is None:
            found[number].together.append(place)
        else:
            found[number].alone.setdefault(person, []).append(place)
    return found
