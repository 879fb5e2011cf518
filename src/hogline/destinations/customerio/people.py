"""How Customer.io learns about people: what it accepts, and how facts become operations. The core decides who is sent,
what and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

import msgspec

from hogline.destinations.base import GroupPlan, Learning, Removal, Rules, Written
from hogline.destinations.customerio import groups, limits, operations, pages
from hogline.destinations.customerio.data import event_data, left_out
from hogline.destinations.customerio.options import Options
from hogline.model import UNKNOWN, Identifier, Operation, Refusal
from hogline.posthog.entry import Entry, event_of

_NO_NAME = Refusal("event_name_blank", "The event has no name, and Customer.io does not accept events without one.")

_SHORT = limits.EVENT_NAME_BYTES // 4
"""As many characters as are always within the limit."""

_encode = msgspec.json.Encoder().encode


class CustomerIoPeople:
    def __init__(self) -> None:
        self.applied = frozenset(
            {"$set", "$set_once", "$unset", "$create_alias", "$merge_dangerously", "$groupidentify"}
        )
        # (`$set_once` is what the SDKs' `set_once()` sends.)
        self.most_attributes = limits.ATTRIBUTES

    def rules(self, options: Options) -> Rules:
        view = (
            sorted(options.dates.paths),
            options.attribute_names.only,
            options.attribute_names.never,
            options.attributes_from,
            options.identify_by_email,
            *((options.identify_by_property,) if options.identify_by_property is not None else ()),
            *((options.dates.patterns, options.mapping) if options.dates.patterns or options.mapping else ()),
        )
        return Rules(
            whom=options.anonymous_users,
            events=options.events,
            ignores=options.ignores,
            deletes=options.deletes,
            suppresses=options.suppresses,
            mapping=options.mapping,
            hold_days=options.hold_days,
            by_email=options.identify_by_email,
            by_property=options.identify_by_property,
            merge_people=options.merge_people,
            has_groups=bool(options.group_objects),
            learning=Learning(
                options.attributes_from == "person", options.email_property, options.protect_emails, options.set_once
            ),
            view=crc32(_encode(view)),
        )

    def takes(self, identifier: Identifier) -> bool:
        return not limits.too_long(identifier.value, limits.IDENTIFIER_BYTES)

    def attribute(self, name: str, value: object, options: Options) -> tuple[object, str | None]:
        if not options.attribute_names.takes(name) and name not in options.mapped:
            return UNKNOWN, None
        problem = limits.attribute_name_problem(name)
        if name == options.email_property:
            return UNKNOWN, None  # it is the email
        if problem is not None:
            return UNKNOWN, problem
        if value is None:
            return None, None
        return limits.attribute_value(options.dates.converted(name, value))

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

    def event(
        self, head: bytes, identifier: Identifier, entry: Entry, email: str | None, options: Options
    ) -> Operation | Written:
        name = pages.named(entry, options.page_names) if entry.name in pages.KINDS else entry.name
        if (
            entry.aside is None
            or entry.careful
            or entry.said is not None
            or (len(name) > _SHORT and limits.too_long(name, limits.EVENT_NAME_BYTES))
            or not options.takes_data_as_it_is
        ):
            data, adjusted = event_data(entry, name, options)
        else:
            data, adjusted = entry.data, ()
        if not name or name.isspace():
            return Written(None, adjusted, _NO_NAME)
        made = operations.event(head, identifier, entry, data, name=name, email=email)
        return made if isinstance(made, Operation) and not adjusted else _written(made, adjusted)

    def anonymous_event(self, entry: Entry, options: Options) -> Written:
        if not self.takes(Identifier("id", entry.distinct_id)):
            return Written(
                None,
                (),
                Refusal(
                    "identifier_too_long",
                    f"The distinct_id is longer than {limits.IDENTIFIER_BYTES} bytes: too long for Customer.io.",
                ),
            )
        name = pages.named(entry, options.page_names)
        data, adjusted = event_data(entry, name, options)
        if not name or name.isspace():
            return Written(None, adjusted, _NO_NAME)
        return _written(operations.anonymous_event(entry, name, data), adjusted)

    def left_out(self, entry: Entry, options: Options) -> Sequence[str]:
        return left_out(entry, options)

    def give_anonymous(self, identifier: Identifier, anonymous_id: str, timestamp_s: int) -> Operation:
        ((operation, _),) = operations.identify(identifier, {"anonymous_id": anonymous_id}, timestamp_s)
        return operation

    def merge(self, primary: Identifier, secondary: Identifier) -> Operation:
        return operations.merge(primary, secondary)

    def remove(self, identifier: Identifier, action: Removal) -> Operation:
        return operations.remove(identifier, action)

    def group(self, entry: Entry, options: Options) -> GroupPlan:
        return groups.group_identify(event_of(entry), entry.time_ms, options)

    def objects(self, entry: Entry, known: Iterable[str], options: Options) -> Sequence[str]:
        return groups.objects(event_of(entry), known, options)

    def belong(self, identifier: Identifier, objects: Sequence[str]) -> Operation:
        return operations.add_relationships(identifier, groups.relationships(objects))

    def belonging(self, identify: Operation, objects: Sequence[str]) -> Operation | None:
        return operations.with_relationships(identify, groups.relationships(objects))


def _written(made: Operation | Refusal, adjusted: tuple[str, ...]) -> Written:
    return Written(None, adjusted, made) if isinstance(made, Refusal) else Written(made, adjusted)
