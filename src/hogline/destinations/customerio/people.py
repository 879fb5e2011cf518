"""How Customer.io is told of people: what it takes, and how what is said becomes operations. Who is sent, what and
when is decided by the core."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

from hogline.destinations.base import GroupPlan, Keeps, Removal, Rules, Written
from hogline.destinations.customerio import groups, limits, operations
from hogline.destinations.customerio.options import Options
from hogline.model import UNKNOWN, Identifier, Operation, Refusal
from hogline.posthog.entry import Entry, event_of

_NO_NAME = Refusal("event_name_blank", "The event has no name; Customer.io does not take an event without.")

_SHORT = limits.EVENT_NAME_BYTES // 4
"""Characters of a name that is within the limit, whatever they are."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


class CustomerIoPeople:
    def __init__(self) -> None:
        self.applied = frozenset(
            {"$set", "$set_once", "$unset", "$create_alias", "$merge_dangerously", "$groupidentify"}
        )
        # (`$set_once` is what the SDKs' `set_once()` sends.)
        self.most_attributes = limits.ATTRIBUTES

    def rules(self, options: Options) -> Rules:
        view = (
            sorted(options.date_attributes),
            options.attribute_names.only,
            options.attribute_names.never,
            options.attributes_from,
            options.identify_by_email,
        )
        return Rules(
            whom=options.anonymous_users,
            allowlist=options.allowlist,
            hold_days=options.hold_days,
            by_email=options.identify_by_email,
            merge_people=options.merge_people,
            has_groups=bool(options.group_objects),
            keeps=Keeps(options.attributes_from == "person", options.email_property, options.protect_emails),
            view=crc32(_encode(view)),
        )

    def takes(self, identifier: Identifier) -> bool:
        return not limits.too_long(identifier.value, limits.IDENTIFIER_BYTES)

    def attribute(self, name: str, value: object, options: Options) -> tuple[object, str | None]:
        if options.attribute_names and not options.attribute_names.takes(name):
            return UNKNOWN, None
        problem = limits.attribute_name_problem(name)
        if name == options.email_property:
            return UNKNOWN, None  # it is the email
        if problem is not None:
            return UNKNOWN, problem
        if value is None:
            return None, None
        return limits.attribute_value(value, is_date=name in options.date_attributes)

    def identify(
        self, identifier: Identifier, attributes: dict[str, object], timestamp_s: int
    ) -> Sequence[tuple[Operation, Sequence[str]]]:
        return operations.identify(identifier, attributes, timestamp_s)

    def parts(self, operation: Operation, refusal: Refusal) -> Sequence[Operation]:
        return operations.parts(operation, refusal)

    def bare(self, operation: Operation) -> Operation | None:
        return operations.bare(operation)

    def names(self, operation: Operation) -> Sequence[str]:
        return operations.names(operation)

    def head(self, identifier: Identifier) -> bytes:
        return operations.head(identifier)

    def event(self, head: bytes, identifier: Identifier, entry: Entry, email: str | None) -> Operation | Written:
        if entry.careful or entry.said is not None or len(entry.name) > _SHORT:
            data, adjusted = _data(entry)
        else:
            data, adjusted = entry.data, ()
        if not entry.name or entry.name.isspace():
            return Written(None, adjusted, _NO_NAME)
        made = operations.event(head, identifier, entry, data, email)
        return made if isinstance(made, Operation) and not adjusted else _written(made, adjusted)

    def anonymous_event(self, entry: Entry) -> Written:
        if not self.takes(Identifier("id", entry.distinct_id)):
            return Written(
                None,
                (),
                Refusal(
                    "identifier_too_long",
                    f"The distinct_id is longer than {limits.IDENTIFIER_BYTES} bytes, which Customer.io does not take.",
                ),
            )
        data, adjusted = _data(entry)
        if not entry.name or entry.name.isspace():
            return Written(None, adjusted, _NO_NAME)
        return _written(operations.anonymous_event(entry, data), adjusted)

    def give_anonymous(self, identifier: Identifier, anonymous_id: str, timestamp_s: int) -> Operation:
        ((operation, _),) = operations.identify(identifier, {"anonymous_id": anonymous_id}, timestamp_s)
        return operation

    def merge(self, primary: Identifier, secondary: Identifier) -> Operation:
        return operations.merge(primary, secondary)

    def remove(self, identifier: Identifier, action: Removal) -> Operation:
        return operations.remove(identifier, action)

    def group(self, entry: Entry, options: Options) -> GroupPlan:
        return groups.group_identify(event_of(entry), entry.time_ms, options)

    def objects(self, entry: Entry, options: Options) -> Sequence[str]:
        return groups.objects(event_of(entry), options)

    def belong(self, identifier: Identifier, objects: Sequence[str]) -> Operation:
        return groups.belong(identifier, objects)


def _written(made: Operation | Refusal, adjusted: tuple[str, ...]) -> Written:
    return Written(None, adjusted, made) if isinstance(made, Refusal) else Written(made, adjusted)


def _data(entry: Entry) -> tuple[bytes, tuple[str, ...]]:
    """The event's data as JSON text, with no name left that could redirect a campaign's mail; and what is to be counted
    of it and of the event's name."""
    adjusted: tuple[str, ...] = ()
    if len(entry.name) * 4 > limits.EVENT_NAME_BYTES and limits.event_name(entry.name.strip())[1] is not None:
        adjusted = ("event_name_cut",)
    text = entry.data
    chain = entry.said.elements_chain if entry.said is not None else ""
    if chain and b'"$elements_chain"' not in text:  # what was clicked, which PostHog keeps beside the properties
        text = b'%b%b"$elements_chain":%b}' % (text[:-1], b"" if text == b"{}" else b",", _encode(chain))
    if not entry.careful:
        return text, adjusted
    data, renamed = limits.event_data(_decode(text))
    return (_encode(data), adjusted + renamed) if renamed else (text, adjusted)
