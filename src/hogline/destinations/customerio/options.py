"""The options of a Customer.io connection: what is asked, and how what was typed becomes usable.

Reading finds all mistakes at once and names each in a sentence that never repeats a secret. Knows nothing of
whether the credentials are good; that is asked of Customer.io (`check`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

from msgspec import Struct

from hogline.destinations.base import PACE, Choice, Option
from hogline.destinations.customerio.endpoint import EU, US, BadEndpoint, base_url
from hogline.destinations.given import Given

AnonymousUsers: TypeAlias = Literal["all", "identified", "emails", "anonymous-events"]
AttributesFrom: TypeAlias = Literal["set", "person"]

OPTIONS: tuple[Option, ...] = (
    Option(
        key="site_id",
        title="Customer.io Site ID",
        kind="text",
        required=True,
        secret=True,
        variables=("site_id",),
        hint="Provided during Customer.io setup: Settings, API Credentials, Tracking API Keys.",
    ),
    Option(
        key="api_key",
        title="Customer.io API Key",
        kind="text",
        required=True,
        secret=True,
        variables=("api_key",),
        hint="Provided during Customer.io setup, next to the Site ID.",
    ),
    Option(
        key="tracking_endpoint",
        title="Tracking Endpoint",
        kind="choice",
        default=US,
        choices=(Choice(US, f"{US} (US region)"), Choice(EU, f"{EU} (EU region)")),
        hint=f"Use {EU} if your account is in the EU region. Another base URL, of a proxy or the sandbox, is"
        " taken too: https, or http on this machine.",
    ),
    Option(
        key="identify_by_email",
        title="Identify by email",
        kind="yes_no",
        default=False,
        hint="Identify users by email instead of ID, whenever an email is available.",
    ),
    Option(
        key="anonymous_users",
        title="Filtering of Anonymous Users",
        kind="choice",
        default="all",
        choices=(
            Choice("all", "Send all events"),
            Choice("identified", "Only send events from users that have been identified"),
            Choice("emails", "Only send events from users with emails"),
            Choice("anonymous-events", "Send anonymous events without creating customers"),
        ),
        hint="Whose events are sent. Customer.io bills by the number of customers, and every user whose events"
        " are sent becomes one; not so with the last choice, by which users are customers once they are identified or"
        " have an email.",
    ),
    Option(
        key="event_allowlist",
        title="PostHog Event Allowlist",
        kind="text",
        hint="Comma-separated. If set, only these events are sent; all others still teach who is identified,"
        " emails and attributes.",
    ),
    Option(
        key="hold_days",
        title="Keep anonymous events",
        kind="whole_number",
        default=0,
        maximum=30,
        hint="Days, 0 to 30. With one of the “Only send” choices: what is not sent is kept so long, and sent with its"
        " own times once the user qualifies.",
    ),
    Option(
        key="merge_people",
        title="Merge people",
        kind="yes_no",
        default=True,
        hint="When PostHog joins an anonymous user with an identified one, merge their customers. Customer.io cannot"
        " undo that.",
    ),
    Option(
        key="protect_emails",
        title="Protect emails",
        kind="yes_no",
        default=False,
        hint="A known email is not changed by events that came with the public token, which anybody can read in your"
        " pages. Leave it off if your site changes emails from the browser. It holds for all connections.",
    ),
    Option(
        key="attributes_from",
        title="Attributes from",
        kind="choice",
        default="set",
        choices=(
            Choice("set", "$set of the events"),
            Choice("person", "All person properties as PostHog knows them"),
        ),
        hint="Webhooks, Kafka and exports carry the person with every event; what the event itself sets wins.",
    ),
    Option(
        key="attribute_names",
        title="Attribute names",
        kind="text",
        hint="Comma-separated; if set, only these become attributes. A name with - before it is left out instead, and"
        " a * at the end stands for any rest: -$initial_*. The email is always sent.",
    ),
    Option(
        key="email_property",
        title="Email property",
        kind="text",
        default="email",
        hint="The person property that holds the email, if it is not `email`. Give all connections the same one.",
    ),
    Option(
        key="group_objects",
        title="Groups as objects",
        kind="text",
        hint="Comma-separated PostHog group types, each with the id of the Customer.io object type that it becomes:"
        " company=1. Empty: groups are not sent.",
    ),
    Option(
        key="date_attributes",
        title="Date attributes",
        kind="text",
        default="created_at",
        hint="Comma-separated names of attributes whose values are sent as dates (Unix seconds).",
    ),
    PACE,
)


class NameFilter(Struct, frozen=True):
    """Which attribute names are sent: those of `only`, if it names any, and none of `never`. A name ends with * for
    whatever follows."""

    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.only or self.never)

    def takes(self, name: str) -> bool:
        return (not self.only or _any_of(self.only, name)) and not _any_of(self.never, name)


def _any_of(patterns: tuple[str, ...], name: str) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in patterns)


class Options(Struct, frozen=True, kw_only=True):
    """A connection's options, ready for use. Its text form shows no secret."""

    base_url: str
    """Scheme, host, perhaps a port and a path; no slash at its end."""
    authorization: str
    """The HTTP header's value: secret."""
    identify_by_email: bool = False
    anonymous_users: AnonymousUsers = "all"
    allowlist: frozenset[str] = frozenset()
    """Empty: every event is sent."""
    hold_days: int = 0
    merge_people: bool = True
    protect_emails: bool = False
    attributes_from: AttributesFrom = "set"
    attribute_names: NameFilter = NameFilter()
    email_property: str = "email"
    """The person property that holds the email."""
    group_objects: Mapping[str, str] = {}
    """Group types of PostHog, and the object type that each becomes."""
    date_attributes: frozenset[str] = frozenset({"created_at"})
    requests_per_second: int = 100

    def __repr__(self) -> str:
        return f"Options(base_url={self.base_url!r}, authorization=***)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("base_url", self.base_url), ("authorization", "***")]


def read_options(values: Mapping[str, object]) -> Options:
    """Options from text as typed, or JSON values; None counts as not given. Raises `InvalidOptions`."""
    given = Given("Customer.io", OPTIONS, values)
    site_id = given.credential("site_id")
    api_key = given.credential("api_key")
    options = Options(
        base_url=_endpoint(given, "tracking_endpoint"),
        authorization="Basic " + base64.b64encode(f"{site_id}:{api_key}".encode()).decode(),
        identify_by_email=given.yes_no("identify_by_email"),
        # `choice` gives one of the choices above, whose values are those of the type.
        anonymous_users=cast("AnonymousUsers", given.choice("anonymous_users")),
        allowlist=given.names("event_allowlist"),
        hold_days=given.whole_number("hold_days"),
        merge_people=given.yes_no("merge_people"),
        protect_emails=given.yes_no("protect_emails"),
        attributes_from=cast("AttributesFrom", given.choice("attributes_from")),
        attribute_names=_name_filter(given.names("attribute_names")),
        email_property=given.text("email_property") or "email",
        group_objects=_group_objects(given, "group_objects"),
        date_attributes=given.names("date_attributes"),
        requests_per_second=given.whole_number(PACE.key),
    )
    if ":" in site_id:
        given.problem("site_id", "has a colon in it. Give the Site ID alone, without the API Key.")
    given.check()
    return options


def _endpoint(given: Given, key: str) -> str:
    try:
        return base_url(given.text(key) or US)
    except BadEndpoint as why:
        given.problem(key, str(why))
        return ""


def _name_filter(names: frozenset[str]) -> NameFilter:
    never = tuple(sorted(name[1:] for name in names if name.startswith("-")))
    return NameFilter(tuple(sorted(name for name in names if not name.startswith("-"))), never)


def _group_objects(given: Given, key: str) -> dict[str, str]:
    objects: dict[str, str] = {}
    for pair in sorted(given.names(key)):
        kind, _, object_type = (part.strip() for part in pair.partition("="))
        if not kind or not (object_type.isascii() and object_type.isdigit()):
            given.problem(key, "must be pairs of a group type and the id of an object type, such as company=1.")
            return {}
        objects[kind] = object_type
    return objects
