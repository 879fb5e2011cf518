"""The options of a Customer.io connection: titles, hints and defaults, in the order of the form."""

from __future__ import annotations

from msgspec.structs import replace

from hogline.destinations.base import PACE, Choice, Option
from hogline.destinations.customerio.endpoint import EU, US

PLUMBING = "-$ip, -$geoip_*, -$raw_user_agent, -$lib*, -$insert_id, -$time, -$sent_at, -token"
"""What PostHog adds to every event for its own use. `posthog.plumbing` separates the same properties on receipt."""
_AS_SENT = "What Customer.io already has stays as it is."

_WHERE = (
    Option(
        key="site_id",
        title="Customer.io Site ID",
        kind="text",
        required=True,
        secret=True,
        variables=("site_id",),
        hint="In Customer.io: Settings, API Credentials, Tracking API Keys.",
    ),
    Option(
        key="api_key",
        title="Customer.io API Key",
        kind="text",
        required=True,
        secret=True,
        variables=("api_key",),
        hint="In Customer.io, next to the Site ID.",
    ),
    Option(
        key="tracking_endpoint",
        title="Tracking Endpoint",
        kind="choice",
        default=US,
        choices=(Choice(US, f"{US} (US region)"), Choice(EU, f"{EU} (EU region)")),
        other="Another address",
        example="https://…",
        hint=f"Use {EU} if your account is in the EU region. You can also give the base URL of a proxy or the"
        " sandbox: https, or http on this machine.",
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
            Choice("email", "The email if there is one, otherwise the distinct_id"),
            Choice(
                "cio_id", "Customer.io's own cio_id if the person property cio_id has it, otherwise the distinct_id"
            ),
        ),
        other="A person property",
        example="property:user_id",
        hint="The identifier of a user in Customer.io. Use the same one as your other tools. property:user_id takes the"
        " person property user_id as the id, if there is one.",
        changing="Existing customers keep their identifier. Users who become customers from now on get the new one."
        " With a person property, an identified user's customer is merged into that of the new id.",
    ),
    Option(
        key="identify_by_email",
        title="Identify by email",
        kind="yes_no",
        default=False,
        instead="identify_by",
        becomes=("id", "email"),
        hint="The old name of --identify-by email.",
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
        " are sent becomes one. With the last choice, users only become customers once they are identified or"
        " have an email, and each anonymous event takes one request, which limits how many go out a second.",
    ),
    Option(
        key="hold_days",
        title="Keep anonymous events",
        kind="whole_number",
        default=0,
        maximum=30,
        hint="Days, 0 to 30. With one of the “Only send” choices, events that aren't sent are kept for this many"
        " days, and sent with their own times once the user qualifies.",
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
        hint="Events that match are never sent, for example those of your team, tests or localhost. Give a"
        " property, an operator of PostHog (exact, is_not, icontains, regex, is_set, gt, lt) and a value: $host"
        " icontains localhost. `person.` before a property means the person's. Combine conditions with and, or."
        " Empty: no event is ignored.",
        changing="It applies to events from now on. " + _AS_SENT,
    ),
    Option(
        key="merge_people",
        title="Merge people",
        kind="choice",
        default="own",
        becomes=("no", "own"),
        choices=(
            Choice("no", "Never"),
            Choice("own", "Customers that Hogline created"),
            Choice("all", "Also a visitor's customer that another tool created"),
        ),
        hint="When PostHog merges an anonymous user into an identified one, merge their customers. Customer.io cannot"
        " undo that. The last choice is for a workspace that another tool filled with the same distinct_ids.",
        changing="Merges that were waiting are done from now on, if you allow them. Merged customers stay merged.",
    ),
    Option(
        key="delete_on",
        title="Delete customers on",
        kind="text",
        advanced=True,
        hint="Comma-separated names of events that delete the user's customer, such as user account deleted. Only a"
        " server may send them, with the private token. Later events create a new customer.",
        changing="It applies to events from now on.",
    ),
    Option(
        key="suppress_on",
        title="Suppress customers on",
        kind="text",
        advanced=True,
        hint="Comma-separated names of events that delete the user's customer for good: nothing more is sent about them"
        " afterwards, and Customer.io blocks the identifier. Only a server may send them, with the private token.",
        changing="It applies to events from now on.",
    ),
    Option(
        key="protect_emails",
        title="Protect emails",
        kind="yes_no",
        default=False,
        advanced=True,
        hint="Events with the public token, which anyone can read in your pages, cannot change a known email."
        " Leave it off if your site changes emails from the browser. It applies to all connections.",
    ),
)

_EVENTS = (
    Option(
        key="events",
        title="Events",
        kind="text",
        hint="Comma-separated. If set, only these events are sent. Hogline still learns from all others."
        " Put - before a name to leave it out; * at the end matches anything: -$ai_*.",
        changing="It applies to events from now on. " + _AS_SENT,
    ),
    Option(
        key="event_allowlist",
        title="PostHog Event Allowlist",
        kind="text",
        instead="events",
        hint="The old name of --events.",
    ),
    Option(
        key="page_names",
        title="Names of pages and screens",
        kind="choice",
        default="url",
        before="event",
        choices=(
            Choice("url", "The URL without query and fragment; a screen's name"),
            Choice("path", "Only the path; a screen's name"),
            Choice("event", "$pageview and $screen, as PostHog calls them"),
        ),
        hint="Customer.io's page segments and triggers use these names. The event's data has the full URL.",
        changing="Pages and screens get the new names from now on. Segments and campaigns with the old names need a"
        " change.",
    ),
    Option(
        key="event_properties",
        title="Event properties",
        kind="text",
        default=PLUMBING,
        before="",
        advanced=True,
        hint="Which properties of an event are sent, in the same format as attribute names. The default leaves out"
        " IP addresses, locations and what PostHog adds for its own use. Empty: everything.",
        changing="It applies to events from now on. " + _AS_SENT,
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
            Choice("person", "All of the person's properties in PostHog"),
        ),
        hint="Webhooks, Kafka and exports contain the person with every event. What the event itself sets wins.",
    ),
    Option(
        key="attribute_names",
        title="Attribute names",
        kind="text",
        default="-$*",
        before="",
        hint="Comma-separated. If set, only these become attributes. Put - before a name to leave it out; *"
        " at the end matches anything; the longest match decides: *, -$*, $browser. The default leaves out"
        " what PostHog adds for its own use. Empty: all. The email is always sent.",
        changing="Newly selected attributes are sent with each person's next event. Those no longer selected stay in"
        " Customer.io as they are.",
    ),
    Option(
        key="attribute_mapping",
        title="Attribute mapping",
        kind="text",
        advanced=True,
        hint="Comma-separated attributes with a different name in Customer.io: firstname=first_name takes the"
        ' person property first_name. source:="posthog" is fixed (JSON), and identifier=distinct_id is the id.',
        changing="Attributes are sent with the new names with each person's next event. Those with the old names"
        " stay in Customer.io as they are.",
    ),
    Option(
        key="date_attributes",
        title="Date attributes",
        kind="text",
        default="created_at",
        hint="Comma-separated names of attributes that are sent as dates (Unix seconds). Use a dot for nested"
        " values: plan.renews_at. `event.` before a name means an event property: event.ends_at. With a *, every ISO"
        " date with a matching name is one.",
        changing="Attributes are sent as dates with each person's next event, and events from now on.",
    ),
    Option(
        key="set_once",
        title="Learn from $set_once",
        kind="yes_no",
        default=True,
        before=False,
        advanced=True,
        hint="What $set_once sets becomes an attribute if nothing else sets it. If one connection has this on, it"
        " applies to all, because they share what is known about people.",
        changing="It applies from the next event on.",
    ),
    Option(
        key="email_property",
        title="Email property",
        kind="text",
        default="email",
        advanced=True,
        hint="The person property with the email, if it is not `email`. Use the same one for all connections.",
    ),
    Option(
        key="group_objects",
        title="Groups as objects",
        kind="text",
        hint="Comma-separated PostHog group types, each with the id of its Customer.io object type:"
        " company=1. company.role=company_role gives the relationship an attribute from an event property. Empty:"
        " groups are not sent.",
        changing="Groups are sent with each person's next event that names them. Objects stay in Customer.io as they"
        " are.",
    ),
)

OPTIONS: tuple[Option, ...] = (*_WHERE, *_WHO, *_EVENTS, *_ATTRIBUTES, replace(PACE, advanced=True))
