"""Reads the options of a Customer.io connection.

Finds all mistakes in one pass, and names each in a sentence that never repeats a secret. Whether the credentials work
is up to Customer.io (`check`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

import msgspec
from msgspec import Struct

from hogline.destinations.base import PACE, ByProperty, Mapped
from hogline.destinations.conditions import NEVER, BadCondition, Conditions, read_conditions
from hogline.destinations.customerio.dates import CREATED, Dates, dates_of
from hogline.destinations.customerio.declared import OPTIONS, PLUMBING
from hogline.destinations.customerio.endpoint import US, BadEndpoint, base_url
from hogline.destinations.customerio.limits import attribute_name_problem
from hogline.destinations.given import OptionReader
from hogline.destinations.names import ALL, Names, names_of

AnonymousUsers: TypeAlias = Literal["all", "identified", "emails", "anonymous-events"]
AttributesFrom: TypeAlias = Literal["set", "person"]
MergePeople: TypeAlias = Literal["no", "own", "all"]
PageNames: TypeAlias = Literal["url", "path", "event"]

DEFAULT_PROPERTIES = names_of(one.strip() for one in PLUMBING.split(","))
"""What is separated on receipt. With this selection, an event's data is sent as it is."""


class Options(Struct, frozen=True, kw_only=True):
    """A connection's options, ready for use. Its repr shows no secret."""

    base_url: str
    """Scheme, host, perhaps a port and a path, without a slash at the end."""
    authorization: str
    """The HTTP header's value, a secret."""
    identify_by_email: bool = False
    identify_by_property: ByProperty | None = None
    anonymous_users: AnonymousUsers = "all"
    events: Names = ALL
    ignores: Conditions = NEVER
    page_names: PageNames = "url"
    event_properties: Names = DEFAULT_PROPERTIES
    deletes: frozenset[str] = frozenset()
    suppresses: frozenset[str] = frozenset()
    hold_days: int = 0
    merge_people: MergePeople = "own"
    protect_emails: bool = False
    attributes_from: AttributesFrom = "set"
    attribute_names: Names = ALL
    mapping: tuple[Mapped, ...] = ()
    set_once: bool = True
    email_property: str = "email"
    """The person property with the email."""
    group_objects: Mapping[str, str] = {}
    """PostHog's group types, and the object type of each."""
    relationship_attributes: Mapping[str, Mapping[str, str]] = {}
    """Of some group types: attributes of the relationship, and the event property of each."""
    dates: Dates = CREATED
    """For attributes."""
    event_dates: Dates = Dates()
    requests_per_second: int = 100
    takes_data_as_it_is: bool = True
    """Whether an event's data is sent as it was separated on receipt."""

    @property
    def mapped(self) -> frozenset[str]:
        """The names of attributes that the mapping creates."""
        return frozenset(one.name for one in self.mapping)

    def __repr__(self) -> str:
        return f"Options(base_url={self.base_url!r}, authorization=***)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("base_url", self.base_url), ("authorization", "***")]


_EVENT = "event."
"""Before the name of an event property, where attributes are expected otherwise."""


def read_options(values: Mapping[str, object]) -> Options:
    """Options from text as typed, or JSON values; None counts as not given. Raises `InvalidOptions`."""
    given = OptionReader("Customer.io", OPTIONS, values)
    site_id = given.credential("site_id")
    api_key = given.credential("api_key")
    email_property = given.text("email_property") or "email"
    identify_by = given.choice("identify_by")
    dates, properties = given.names("date_attributes"), names_of(given.names("event_properties"))
    event_dates = dates_of(name.removeprefix(_EVENT) for name in dates if name.startswith(_EVENT))
    group_objects, relationship_attributes = _group_objects(given, "group_objects")
    options = Options(
        base_url=_endpoint(given, "tracking_endpoint"),
        authorization="Basic " + base64.b64encode(f"{site_id}:{api_key}".encode()).decode(),
        identify_by_email=identify_by == "email",
        identify_by_property=_by_property(given, "identify_by", identify_by, email_property),
        # `choice` gives one of the choices above, whose values are those of the type.
        anonymous_users=cast("AnonymousUsers", given.choice("anonymous_users")),
        events=names_of(given.names("events")),
        ignores=_conditions(given, "ignore_when"),
        page_names=cast("PageNames", given.choice("page_names")),
        event_properties=properties,
        deletes=given.names("delete_on"),
        suppresses=given.names("suppress_on"),
        hold_days=given.whole_number("hold_days"),
        merge_people=cast("MergePeople", given.choice("merge_people")),
        protect_emails=given.yes_no("protect_emails"),
        attributes_from=cast("AttributesFrom", given.choice("attributes_from")),
        attribute_names=names_of(given.names("attribute_names")),
        mapping=_mapping(given, "attribute_mapping", email_property),
        set_once=given.yes_no("set_once"),
        email_property=email_property,
        group_objects=group_objects,
        relationship_attributes=relationship_attributes,
        dates=dates_of(name for name in dates if not name.startswith(_EVENT)),
        event_dates=event_dates,
        requests_per_second=given.whole_number(PACE.key),
        takes_data_as_it_is=properties == DEFAULT_PROPERTIES and not event_dates,
    )
    if ":" in site_id:
        given.problem("site_id", "has a colon in it. Give the Site ID alone, without the API Key.")
    given.check()
    return options


def _by_property(given: OptionReader, key: str, text: str, email_property: str) -> ByProperty | None:
    kind, colon, name = (part.strip() for part in text.partition(":"))
    name = "email" if name == email_property else name  # as it is known
    if kind == "property" and name:
        return ByProperty(name)
    if kind == "cio_id" and (name or not colon):
        return ByProperty(name or "cio_id", "cio_id")
    if text not in {"id", "email"}:
        given.problem(key, "must be one of: id, email, cio_id, or property: and a person property.")
    return None


def _endpoint(given: OptionReader, key: str) -> str:
    try:
        return base_url(given.text(key) or US)
    except BadEndpoint as why:
        given.problem(key, str(why))
        return ""


def _conditions(given: OptionReader, key: str) -> Conditions:
    try:
        return read_conditions(given.text(key))
    except BadCondition as why:
        given.problem(key, str(why))
        return NEVER


def _mapping(given: OptionReader, key: str, email_property: str) -> tuple[Mapped, ...]:
    """`name=property`, or `name:=JSON`. What is known does not say which property the email came from."""
    mapping = []
    for name, value in given.pairs(key):
        fixed = name.endswith(":")
        attribute = name.removesuffix(":").strip()
        if not attribute or not value or attribute_name_problem(attribute) is not None or attribute == "email":
            given.problem(
                key, "must be pairs of an attribute's name and a person property, such as firstname=first_name."
            )
            return ()
        if not fixed:
            mapping.append(Mapped(attribute, "email" if value == email_property else value))
            continue
        try:
            mapping.append(Mapped(attribute, value=msgspec.json.decode(value)))
        except msgspec.DecodeError:
            given.problem(key, 'has a fixed value that is not JSON. Put text in quotes: source:="posthog".')
            return ()
    return tuple(mapping)


def _group_objects(given: OptionReader, key: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The object type of each group type, and the attributes of its relationships: each with an event property."""
    objects: dict[str, str] = {}
    about: dict[str, dict[str, str]] = {}
    for kind, value in given.pairs(key):
        group, dot, attribute = kind.rpartition(".")
        if kind and value.isascii() and value.isdigit():
            objects[kind] = value
        elif dot and group and value and attribute_name_problem(attribute) is None:
            about.setdefault(group, {})[attribute] = value
        else:
            given.problem(key, "must be pairs of a group type and the id of an object type, such as company=1.")
            return {}, {}
    if not about.keys() <= objects.keys():
        given.problem(key, "needs the object type of each group type: company=1, company.role=role.")
    return objects, about
