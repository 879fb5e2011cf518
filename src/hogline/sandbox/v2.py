"""v2 of the Track API: `/api/v2/batch` and `/api/v2/entity`, from body to answer. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec import Raw

from hogline.sandbox.limits import Problem
from hogline.sandbox.operations import Operation, read_batch, read_entity, read_operation
from hogline.sandbox.replies import SandboxReply, refused_in_part, refused_whole
from hogline.sandbox.workspace import Workspace

_NOTHING: AbstractSet[str] = frozenset()


def batch(workspace: Workspace, body: bytes, refuse: AbstractSet[str] = _NOTHING) -> SandboxReply:
    """Operations take effect in their order in the batch. `refuse`: names that are refused by a script."""
    try:
        texts = read_batch(body)
    except Problem as problem:
        return refused_whole(problem, operations=0)
    problems: list[tuple[int, Problem]] = []
    perform = workspace.perform
    for index, text in enumerate(texts):
        try:
            operation = read_operation(text)
            if refuse:
                check_script(operation, refuse)
            perform(operation)
        except Problem as problem:
            problems.append((index, problem))
    return refused_in_part(problems, len(texts))


def entity(workspace: Workspace, body: bytes, refuse: AbstractSet[str] = _NOTHING) -> SandboxReply:
    try:
        operation = read_entity(body)
        check_script(operation, refuse)
        workspace.perform(operation)
    except Problem as problem:
        return refused_whole(problem)
    return SandboxReply(200, operations=1)


def count(body: bytes) -> int:
    """How many operations a batch holds that is not looked at any further."""
    try:
        texts: list[Raw] = read_batch(body)
    except Problem:
        return 0
    return len(texts)


def check_script(operation: Operation, refuse: AbstractSet[str]) -> None:
    """Raises `Problem` if the script refuses this event's name or any of its identifiers."""
    if not refuse:
        return
    names: set[object] = {operation.name}
    for identifiers in (operation.identifiers, operation.primary, operation.secondary):
        names.update((identifiers or {}).values())
    if not refuse.isdisjoint(names):
        raise Problem("invalid", "name", "refused by the sandbox's script")
