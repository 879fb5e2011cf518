"""PostHog's groups as Customer.io's objects: what a group is, and who belongs to it.

Only the group types that the option `group_objects` names. PostHog does not say when someone leaves a group, so no
relationship is ever removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hogline.destinations.base import GroupPlan
from hogline.destinations.customerio import limits, operations
from hogline.destinations.customerio.options import Options
from hogline.model import UNKNOWN, Event, Refusal

_encode = msgspec.json.Encoder(order="sorted").encode


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


def objects(event: Event, known: Iterable[str], options: Options) -> list[str]:
    """The objects in the event's `$groups` to which the person is not related yet, or with other attributes: as
    `type/key`, with attributes followed by a line break and JSON. `known`: those that are, the last one counts."""
    groups = event.properties.get("$groups")
    if not isinstance(groups, dict):
        return []
    now = dict(one.partition("\n")[::2] for one in known)
    found: dict[str, str] = {}
    for kind, value in groups.items():
        object_type, key = options.group_objects.get(kind), _key(value)
        if object_type is None or key is None or "\n" in key or limits.too_long(key, limits.IDENTIFIER_BYTES):
            continue
        name = f"{object_type}/{key}"
        before = now.get(name)
        had: dict[str, object] = msgspec.json.decode(before) if before else {}
        has = {**had, **_relationship(event, options.relationship_attributes.get(kind, {}))}
        if before is None or has != had:
            found[name] = f"\n{_encode(has).decode()}" if has else ""
    return [name + about for name, about in found.items()]


def _relationship(event: Event, wanted: Mapping[str, str]) -> dict[str, object]:
    """Attributes of a relationship, from the properties of an event."""
    found: dict[str, object] = {}
    for name, source in wanted.items():
        if source in event.properties:
            value, _ = limits.attribute_value(event.properties[source])
            if value is not UNKNOWN and value is not None:
                found[name] = value
    return found


def relationships(named: Sequence[str]) -> list[object]:
    """These objects as an operation names them."""
    made: list[object] = []
    for one in named:
        name, _, about = one.partition("\n")
        object_type, _, key = name.partition("/")
        edge: dict[str, object] = {"identifiers": {"object_type_id": object_type, "object_id": key}}
        made.append({**edge, "relationship_attributes": msgspec.json.decode(about)} if about else edge)
    return made


def _key(value: object) -> str | None:
    """A group's key as text; None if there is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value).strip() or None
