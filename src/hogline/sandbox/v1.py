"""v1 of the Track API: one person, device or event for each path, from body to answer. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec
from msgspec import Raw, Struct

from hogline.sandbox.limits import V1_DATA_BYTES, Problem, is_address
from hogline.sandbox.operations import Device, Operation, Relationship, check_text, shape_problem
from hogline.sandbox.replies import SandboxReply, meta_error, refused_v1
from hogline.sandbox.v2 import check_script
from hogline.sandbox.workspace import Workspace


class _Event(Struct, gc=False):
    name: str | None = None
    id: str | None = None
    type: str | None = None
    timestamp: int | None = None
    data: Raw = Raw(b"{}")
    anonymous_id: str | None = None


class _DeviceBody(Struct, gc=False):
    id: str
    platform: str | None = None
    last_used: int | None = None
    attributes: dict[str, object] | None = None


class _DeviceRequest(Struct, gc=False):
    device: _DeviceBody


class _Merge(Struct, gc=False):
    primary: dict[str, str | int]
    secondary: dict[str, str | int]


class _Relationships(Struct, gc=False):
    action: str
    relationships: list[Relationship]


_read_event = msgspec.json.Decoder(_Event).decode
_read_device = msgspec.json.Decoder(_DeviceRequest).decode
_read_merge = msgspec.json.Decoder(_Merge).decode
_read_object = msgspec.json.Decoder(dict[str, Raw]).decode
_read_relationships = msgspec.json.Decoder(_Relationships).decode
_encode = msgspec.json.Encoder().encode


def answer(
    workspace: Workspace, method: str, parts: list[str], body: bytes, refuse: AbstractSet[str] = frozenset()
) -> SandboxReply:
    """`parts` is the path after `/api/v1/`, split at its slashes and then percent-decoded."""
    try:
        check_text(body)
        operations = _operations(workspace, method, parts, body)
        if operations is None:
            return meta_error(404)
        for operation, anonymous_id in operations:
            check_script(operation, refuse)
            if operation.type == "anonymous":
                workspace.anonymous_event(operation, anonymous_id)
            else:
                workspace.perform(operation)
    except Problem as problem:
        return refused_v1(problem)
    except msgspec.ValidationError as error:
        return refused_v1(shape_problem(error, "body"))
    except (msgspec.DecodeError, RecursionError):
        return refused_v1(Problem("invalid", "body", "the request body must be valid JSON"))
    return SandboxReply(200, operations=1)


def _operations(
    workspace: Workspace, method: str, parts: list[str], body: bytes
) -> list[tuple[Operation, str | None]] | None:
    """What the request asks for, in v2's terms; None for an unknown route."""
    match method, parts:
        case "POST", ["events"]:
            operation, anonymous_id = _event(body)
            operation.type = "anonymous"
            return [(operation, anonymous_id)]
        case "POST", ["merge_customers"]:
            merge = _read_merge(body)
            return [(Operation("person", "merge", primary=merge.primary, secondary=merge.secondary), None)]
        case _, ["customers", identifier, *rest]:
            who = _identifiers(workspace, identifier)
            return [(operation, None) for operation in _of_customer(method, rest, who, body)] or None
    return None


def _of_customer(method: str, rest: list[str], who: dict[str, str | int], body: bytes) -> list[Operation]:
    match method, rest:
        case "PUT", []:
            return _identify(who, body)
        case "DELETE", []:
            return [Operation("person", "delete", who)]
        case "POST", ["suppress" | "unsuppress" as action]:
            return [Operation("person", action, who)]
        case "POST", ["events"]:
            operation, _ = _event(body)
            operation.identifiers = who
            return [operation]
    return _of_devices(method, rest, who, body)


def _of_devices(method: str, rest: list[str], who: dict[str, str | int], body: bytes) -> list[Operation]:
    match method, rest:
        case "PUT", ["devices"]:
            device = _read_device(body).device
            named = Device(device.id, device.platform, device.last_used, device.attributes)
            return [Operation("person", "add_device", who, device=named)]
        case "DELETE", ["devices", token]:
            return [Operation("person", "delete_device", who, device=Device(token))]
    return []


def _identify(who: dict[str, str | int], body: bytes) -> list[Operation]:
    """The body is the attributes; `cio_relationships` among them is a separate operation."""
    attributes = _read_object(body or b"{}")
    relationships = attributes.pop("cio_relationships", None)
    operations = [Operation("person", "identify", who, attributes=Raw(_encode(attributes)))]
    if relationships is not None:
        change = _read_relationships(relationships)
        operations.append(Operation("person", change.action, who, cio_relationships=change.relationships))
    return operations


def _event(body: bytes) -> tuple[Operation, str | None]:
    event = _read_event(body)
    kind = event.type or "event"
    if kind not in {"event", "page", "screen"}:
        raise Problem("invalid", "type", "type must be event, page or screen")
    if len(event.data) > V1_DATA_BYTES:
        raise Problem("invalid", "data", f"data must be {V1_DATA_BYTES:,} bytes or smaller")
    operation = Operation(
        "person", kind, name=event.name, id=event.id, timestamp=event.timestamp, attributes=event.data
    )
    return operation, event.anonymous_id or None


def _identifiers(workspace: Workspace, value: str) -> dict[str, str | int]:
    """What a path's identifier is: nothing but its looks, and who is known, tells."""
    if value.startswith("cio_"):
        return {"cio_id": value}
    match workspace.settings.identified_by:
        case "id":
            return {"id": value}
        case "email":
            return {"email": value}
        case "email_or_id":
            by_email = is_address(value) and workspace.people.find("id", value) is None
            return {"email": value} if by_email else {"id": value}
