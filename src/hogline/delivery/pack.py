"""Packing: operations in order → the groups that become requests. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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
