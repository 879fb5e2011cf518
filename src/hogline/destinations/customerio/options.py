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

AnonymousUsers: TypeAlias = Literal["all", "identified", "emails"]

OPTIONS: tuple[Option, ...] = (
    Option(
        key="site_id",
        title="Customer.io Site ID",
        kind="text",
        required=True,
        secret=True,
        hint="Provided during Customer.io setup: Settings, API Credentials, Tracking API Keys.",
    ),
    Option(
        key="api_key",
        title="Customer.io API Key",
        kind="text",
        required=True,
        secret=True,
        hint="Provided during Customer.io setup, beside the Site ID.",
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
        ),
        hint="Whose events are sent. Customer.io bills by the number of customers, and every user whose events"
        " are sent becomes one.",
    ),
    Option(
        key="event_allowlist",
        title="PostHog Event Allowlist",
        kind="text",
        hint="Comma-separated. If set, only these events are sent; all others still teach who is identified,"
        " emails and attributes.",
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
