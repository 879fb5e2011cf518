"""The options of a Customer.io connection as they are asked for: titles, hints and defaults, in the form's order."""

from __future__ import annotations

from msgspec.structs import replace

from hogline.destinations.base import PACE, Choice, Option
from hogline.destinations.customerio.endpoint import EU, US

PLUMBING = "-$ip, -$geoip_*, -$raw_user_agent, -$lib*, -$insert_id, -$time, -$sent_at, -token"
"""What PostHog adds to every event for itself. `posthog.plumbing` sets the same apart at the door."""
_AS_SENT = "What Customer.io has already stays as it is."

_WHERE = (
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
)

_WHO = (
    Option(
        key="identify_by",
        title="Identify by",
        kind="choice",
        default="id",
        choices=(
            Choice("id", "The distinct_id"),
            Choice("email", "The email whenever one is known, else the distinct_id"),
        ),
        hint="By what Customer.io knows a user. It has to be how your other tools identify them there.",
        changing="Customers keep the identifier that they have. Users who become customers from now on get the new"
        " one.",
    ),
    Option(
        key="identify_by_email",
        title="Identify by email",
        kind="yes_no",
        default=False,
        instead="identify_by",
        becomes=("id", "email"),
        hint="An older name of --identify-by email.",
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
        key="hold_days",
        title="Keep anonymous events",
        kind="whole_number",
        default=0,
        maximum=30,
        hint="Days, 0 to 30. With one of the “Only send” choices: what is not sent is kept so long, and sent with its"
        " own times once the user qualifies.",
    ),
    Option(
        key="ignore_when",
        title="Ignore events when",
        kind="text",
        suggestions=(
            Choice(r"person.email regex @your-company\.com$", "My team: emails ending with …"),
            Choice("$host icontains localhost", "localhost"),
            Choice(r"$host icontains localhost or person.email regex @your-company\.com$", "Both"),
        ),
        hint="Events that meet this are never sent: those of your team, of tests, of localhost. A property, an operator"
        " of PostHog (exact, is_not, icontains, regex, is_set, gt, lt) and a value: $host icontains localhost."
        " `person.` before a property means the person's. Join conditions with and, or. Empty: none is ignored.",
        changing="Events that come from now on are judged by it. " + _AS_SENT,
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
        key="delete_on",
        title="Delete customers on",
        kind="text",
        advanced=True,
        hint="Comma-separated names of events that delete the user's customer, such as user account deleted. Only a"
        " server may send them, with the private token. Later events make a new customer.",
        changing="It counts for events that come from now on.",
    ),
    Option(
        key="suppress_on",
        title="Suppress customers on",
        kind="text",
        advanced=True,
        hint="Comma-separated names of events that delete the user's customer for good: nothing is sent of them from"
        " then on, and Customer.io blocks the identifier. Only a server may send them, with the private token.",
        changing="It counts for events that come from now on.",
    ),
    Option(
        key="protect_emails",
        title="Protect emails",
        kind="yes_no",
        default=False,
        advanced=True,
        hint="A known email is not changed by events that came with the public token, which anybody can read in your"
        " pages. Leave it off if your site changes emails from the browser. It holds for all connections.",
    ),
)

_EVENTS = (
    Option(
        key="events",
        title="Events",
        kind="text",
        hint="Comma-separated. If set, only these events are sent; all others still teach who is identified, emails and"
        " attributes. A name with - before it is left out instead, and a * at the end stands for any rest: -$ai_*.",
        changing="Events that come from now on are judged by it. " + _AS_SENT,
    ),
    Option(
        key="event_allowlist",
        title="PostHog Event Allowlist",
        kind="text",
        instead="events",
        hint="An older name of --events.",
    ),
    Option(
        key="page_names",
        title="Names of pages and screens",
        kind="choice",
        default="url",
        before="event",
        choices=(
            Choice("url", "The URL without query and fragment; a screen's name"),
            Choice("path", "The path alone; a screen's name"),
            Choice("event", "$pageview and $screen, as PostHog calls them"),
        ),
        hint="Customer.io's page segments and triggers go by these names. The whole URL is among the event's data.",
        changing="Pages and screens get the new names from now on. Segments and campaigns that name the old ones need a"
        " change.",
    ),
    Option(
        key="event_properties",
        title="Event properties",
        kind="text",
        default=PLUMBING,
        before="",
        advanced=True,
        hint="What of an event is sent, written like the attribute names. The default leaves out IP addresses,"
        " locations and what PostHog adds for itself. Empty: everything.",
        changing="Events carry the new selection from now on. " + _AS_SENT,
    ),
)

_ATTRIBUTES = (
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
        default="-$*",
        before="",
        hint="Comma-separated; if set, only these become attributes. A name with - before it is left out instead, a *"
        " at the end stands for any rest, and the longest that fits decides: *, -$*, $browser. The default leaves out"
        " what PostHog adds for itself. Empty: all. The email is always sent.",
        changing="Attributes that are new to the selection go with each person's next event. Those that left it stay in"
        " Customer.io as they are.",
    ),
    Option(
        key="attribute_mapping",
        title="Attribute mapping",
        kind="text",
        advanced=True,
        hint="Comma-separated attributes that are called otherwise in Customer.io: firstname=first_name takes the"
        ' person property first_name. source:="posthog" is fixed (JSON), and identifier=distinct_id is the id.',
        changing="Attributes go under the new names with each person's next event. Those of the old names stay in"
        " Customer.io as they are.",
    ),
    Option(
        key="date_attributes",
        title="Date attributes",
        kind="text",
        default="created_at",
        hint="Comma-separated names of attributes whose values are sent as dates (Unix seconds). A dot goes into nested"
        " values: plan.renews_at. `event.` before a name means an event property: event.ends_at. With a *, every ISO"
        " date whose name fits is one.",
        changing="Attributes are sent as dates with each person's next event; events from now on.",
    ),
    Option(
        key="set_once",
        title="Learn from $set_once",
        kind="yes_no",
        default=True,
        before=False,
        advanced=True,
        hint="What $set_once says becomes an attribute where nothing else is known. If one connection has it on, it"
        " holds for all: they share what is known of people.",
        changing="It counts from the next event on.",
    ),
    Option(
        key="email_property",
        title="Email property",
        kind="text",
        default="email",
        advanced=True,
        hint="The person property that holds the email, if it is not `email`. Give all connections the same one.",
    ),
    Option(
        key="group_objects",
        title="Groups as objects",
        kind="text",
        hint="Comma-separated PostHog group types, each with the id of the Customer.io object type that it becomes:"
        " company=1. Empty: groups are not sent.",
    ),
)

OPTIONS: tuple[Option, ...] = (*_WHERE, *_WHO, *_EVENTS, *_ATTRIBUTES, replace(PACE, advanced=True))
