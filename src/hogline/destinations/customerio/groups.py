"""PostHog's groups as Customer.io's objects: what a group is, and who belongs to it.

Only the group types that the option `group_objects` names. PostHog does not say when someone leaves a group, so no
relationship is ever removed.
"""

from __future__ import annotations

from collections.abc import Sequence

from hogline.destinations.base import GroupPlan
from hogline.destinations.customerio import limits, operations
from hogline.destinations.customerio.options import Options
from hogline.model import UNKNOWN, Event, Identifier, Operation, Refusal


def group_identify(event: Event, now_ms: int, options: Options) -> GroupPlan:
    """What a `$groupidentify` leads to: the object with the group's properties as attributes."""
    kind, key = event.properties.get("$group_type"), _key(event.properties.get("$group_key"))
    object_type = options.group_objects.get(kind) if isinstance(kind, str) else None
    if object_type is None or key is None:
        return GroupPlan()
    if limits.too_long(key, limits.IDENTIFIER_BYTES):
        return GroupPlan(
            refusals=(
                Refusal(
                    "identifier_too_long",
                    f"The group's key is longer than {limits.IDENTIFIER_BYTES} bytes: too long for Customer.io.",
                ),
            )
        )
    attributes, adjusted = _attributes(event, options)
    return GroupPlan(operations.identify_object(object_type, key, attributes, now_ms // 1000), adjusted=adjusted)


def _attributes(event: Event, options: Options) -> tuple[dict[str, object], tuple[str, ...]]:
    """`$group_set`; without it, the properties that are not PostHog's own."""
    said = event.properties.get("$group_set")
    if not isinstance(said, dict):
        said = {name: value for name, value in event.properties.items() if not name.startswith("$")}
    attributes: dict[str, object] = {}
    adjusted: list[str] = []
    for name, value in said.items():
        problem = limits.attribute_name_problem(name)
        if problem is None and len(attributes) == limits.ATTRIBUTES:
            problem = "too_many_attributes"
        if problem is None:
            clean, problem = limits.attribute_value(options.dates.converted(name, value))
            if clean is not UNKNOWN:
                attributes[name] = clean
        if problem is not None:
            adjusted.append(problem)
    return attributes, tuple(adjusted)


def objects(event: Event, options: Options) -> list[str]:
    """The objects in the event's `$groups`, as `type/key`."""
    groups = event.properties.get("$groups")
    if not isinstance(groups, dict):
        return []
    found: dict[str, None] = {}
    for kind, value in groups.items():
        object_type, key = options.group_objects.get(kind), _key(value)
        if object_type is not None and key is not None and not limits.too_long(key, limits.IDENTIFIER_BYTES):
            found[f"{object_type}/{key}"] = None
    return list(found)


def belong(identifier: Identifier, named: Sequence[str]) -> Operation:
    """Relates a customer to these objects."""
    pairs = [(object_type, key) for object_type, _, key in (one.partition("/") for one in named)]
    return operations.add_relationships(identifier, pairs)


def _key(value: object) -> str | None:
    """A group's key as text; None if there is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value).strip() or None
