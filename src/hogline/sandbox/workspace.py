"""One workspace: what each operation means for its people, events and objects.

`perform` takes operations in order and raises the problem for which it refuses one. Knows no HTTP; the
clock (seconds since 1970) is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from hogline.sandbox import identify
from hogline.sandbox.eventlog import EventLog
from hogline.sandbox.limits import Problem, check_attributes, check_identifier, check_name, check_ulid
from hogline.sandbox.operations import Device, Operation, Relationship, event_data, read_attributes
from hogline.sandbox.people import People, Person
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings

Who: TypeAlias = tuple[str, str]
"""Kind and value of an identifier."""
ObjectKey: TypeAlias = tuple[str, str]
"""object_type_id and object_id."""
Edges: TypeAlias = dict[ObjectKey, dict[str, object]]
"""Objects that a person is related to, with the relationship's own attributes."""


class Workspace:
    def __init__(self, settings: WorkspaceSettings, sandbox: SandboxSettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self._sandbox = sandbox
        self._clock = clock
        self._kinds = {
            "id": frozenset({"id", "cio_id", "phone"}),
            "email": frozenset({"email", "cio_id", "phone"}),
            "email_or_id": frozenset({"id", "email", "cio_id", "phone"}),
        }[settings.identified_by]
        self._handlers: dict[tuple[str, str], Callable[[Operation], None]] = {
            ("person", "event"): self._event,
            ("person", "page"): self._event,
            ("person", "screen"): self._event,
            ("person", "identify"): self._identify,
            ("person", "merge"): self._merge,
            ("person", "delete"): self._delete,
            ("person", "suppress"): self._suppress,
            ("person", "unsuppress"): self._unsuppress,
            ("person", "add_relationships"): self._add_relationships,
            ("person", "delete_relationships"): self._delete_relationships,
            ("person", "add_device"): self._add_device,
            ("person", "delete_device"): self._delete_device,
            ("object", "identify"): self._identify_object,
            ("object", "delete"): self._delete_object,
        }
        self.reset()

    def reset(self) -> None:
        """Empty, as on the first day."""
        self.people = People(
            email_identifies="email" in self._kinds,
            id_identifies="id" in self._kinds,
        )
        self.events = EventLog(self._sandbox.kept_events, self._sandbox.kept_bytes, self._sandbox.remembered_events)
        self.objects: dict[ObjectKey, dict[str, object]] = {}
        self.without_effect = 0
        """Operations that were accepted and did nothing: of suppressed or unknown people."""

    def perform(self, operation: Operation) -> None:
        """Let one operation take effect; raises the `Problem` for which it is refused."""
        handler = self._handlers.get((operation.type, operation.action))
        if handler is not None:
            handler(operation)
        elif operation.type not in {"person", "object"}:
            raise Problem("invalid", "type", "type must be person or object")
        else:
            raise Problem("invalid", "action", f"action is not one that a {operation.type} has")

    def anonymous_event(self, operation: Operation, anonymous_id: str | None) -> None:
        """An event of nobody; needs no person and creates none. Raises `Problem`."""
        self._add_event(operation, None, anonymous_id)

    def _event(self, operation: Operation) -> None:
        self._add_event(operation, self._who(operation.identifiers), None)

    def _add_event(self, operation: Operation, who: Who | None, anonymous_id: str | None) -> None:
        name = check_name(operation.name)
        ulid = check_ulid(operation.id)
        data = event_data(operation.attributes)
        if who is not None and self.people.is_suppressed(*who):
            self.without_effect += 1
            return
        if ulid is not None and self.events.is_repeat(ulid, operation.action, name, operation.timestamp, data):
            return
        now = self._clock()
        person = None
        if who is not None:
            person = self.people.find_or_create(*who, int(now))
            if person is None:
                self.without_effect += 1
                return
        self.events.add(
            ulid=ulid,
            kind=operation.action,
            name=name,
            timestamp=int(now) if operation.timestamp is None else operation.timestamp,
            received_at=now,
            data=data,
            person=person,
            anonymous_id=anonymous_id,
        )

    def _identify(self, operation: Operation) -> None:
        who = self._who(operation.identifiers)
        change = identify.read(operation, who)
        edges = _objects_of(operation.cio_relationships)
        now = self._clock()
        person = self._whom_to_change(who, change, int(now))
        if person is None:
            self.without_effect += 1
            return
        identify.check_total(person, change)
        self.people.update(person, change.attributes, int(now) if change.at is None else change.at)
        if change.anonymous_id is not None and self.settings.joins_anonymous_events:
            self.events.join(change.anonymous_id, person, now)
        self._relate(person, edges)

    def _whom_to_change(self, who: Who, change: identify.Change, now: int) -> Person | None:
        """Whom an identify is about: found, made of the person who has its email and no id, or created."""
        if self.people.is_suppressed(*who):
            return None
        person = self.people.find(*who)
        if person is not None or change.update_only:
            return person
        email = change.attributes.get("email")
        if isinstance(email, str) and self.people.email_identifies:
            person = self.people.link(*who, email)
        return person or self.people.find_or_create(*who, now)

    def _merge(self, operation: Operation) -> None:
        primary = self.people.find(*self._who(operation.primary, "primary"))
        secondary = self.people.find(*self._who(operation.secondary, "secondary"))
        if primary is None or secondary is None or primary is secondary:
            self.without_effect += 1
        else:
            self.people.merge(primary, secondary)

    def _delete(self, operation: Operation) -> None:
        person = self._existing(operation)
        if person is not None:
            self.people.delete(person)

    def _suppress(self, operation: Operation) -> None:
        self.people.suppress(*self._who(operation.identifiers))

    def _unsuppress(self, operation: Operation) -> None:
        self.people.unsuppress(*self._who(operation.identifiers))

    def _add_relationships(self, operation: Operation) -> None:
        edges = _some(_objects_of(operation.cio_relationships))
        person = self._existing(operation, create=True)
        if person is not None:
            self._relate(person, edges)

    def _delete_relationships(self, operation: Operation) -> None:
        edges = _some(_objects_of(operation.cio_relationships))
        person = self._existing(operation)
        if person is not None:
            for key in edges:
                person.relationships.pop(key, None)

    def _add_device(self, operation: Operation) -> None:
        device = _named(operation.device)
        if device.platform not in {"ios", "android"}:
            raise Problem("invalid", "device.platform", "device.platform must be ios or android")
        person = self._existing(operation, create=True)
        if person is not None:
            person.devices[device.token] = {
                "token": device.token,
                "platform": device.platform,
                "last_used": device.last_used,
                "attributes": device.attributes or {},
            }

    def _delete_device(self, operation: Operation) -> None:
        device = _named(operation.device)
        person = self._existing(operation)
        if person is not None:
            person.devices.pop(device.token, None)

    def _identify_object(self, operation: Operation) -> None:
        key = _object_key(operation.identifiers)
        attributes = read_attributes(operation.attributes)
        check_attributes(attributes)
        members = [
            (self._who(edge.identifiers, "cio_relationships.identifiers"), edge.relationship_attributes or {})
            for edge in operation.cio_relationships or ()
        ]
        _change_object(self.objects.setdefault(key, {}), attributes)
        for who, about in members:
            if not self.people.is_suppressed(*who):
                person = self.people.find_or_create(*who, int(self._clock()))
                if person is not None:
                    person.relationships[key] = about

    def _delete_object(self, operation: Operation) -> None:
        key = _object_key(operation.identifiers)
        if self.objects.pop(key, None) is None:
            self.without_effect += 1
            return
        for person in self.people:
            person.relationships.pop(key, None)

    def _existing(self, operation: Operation, *, create: bool = False) -> Person | None:
        """Whom the operation names; None, and counted, if it cannot have an effect on anybody."""
        who = self._who(operation.identifiers)
        person = None
        if not self.people.is_suppressed(*who):
            now = int(self._clock())
            person = self.people.find_or_create(*who, now) if create else self.people.find(*who)
        if person is None:
            self.without_effect += 1
        return person

    def _who(self, identifiers: Mapping[str, str | int] | None, field: str = "identifiers") -> Who:
        """Kind and value of the one identifier that names a person."""
        if identifiers is None or len(identifiers) != 1:
            raise Problem(
                "invalid" if identifiers else "required",
                field,
                f"{field} must contain exactly one of id, email, cio_id or phone",
            )
        ((kind, value),) = identifiers.items()
        name = check_identifier(kind, value, field)
        if kind not in self._kinds:
            raise Problem("invalid", f"{field}.{kind}", f"this workspace does not identify people by {kind}")
        return kind, name

    def _relate(self, person: Person, edges: Edges) -> None:
        """An object that is not there yet is created by the relationship."""
        for key, about in edges.items():
            self.objects.setdefault(key, {})
            person.relationships[key] = about


def _objects_of(relationships: Iterable[Relationship] | None) -> Edges:
    return {
        _object_key(edge.identifiers, "cio_relationships.identifiers"): edge.relationship_attributes or {}
        for edge in relationships or ()
    }


def _some(edges: Edges) -> Edges:
    if not edges:
        raise Problem("required", "cio_relationships", "cio_relationships is required")
    return edges


def _named(device: Device | None) -> Device:
    if device is None or not device.token:
        raise Problem("required", "device.token", "device.token is required")
    return device


def _object_key(identifiers: Mapping[str, str | int] | None, field: str = "identifiers") -> ObjectKey:
    if identifiers is None or set(identifiers) != {"object_type_id", "object_id"}:
        raise Problem("required", field, f"{field} must contain object_type_id and object_id")
    kind, key = str(identifiers["object_type_id"]), str(identifiers["object_id"])
    if not kind.strip() or not key.strip():
        raise Problem("required", field, "object_type_id and object_id cannot be blank")
    return kind, key


def _change_object(values: dict[str, object], attributes: Mapping[str, object]) -> None:
    for name, value in attributes.items():
        if value is None or value == "":
            values.pop(name, None)
        else:
            values[name] = value
