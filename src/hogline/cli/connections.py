"""hogline connect, configure, check, connections, enable, disable, disconnect."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from rich.table import Table

from hogline.cli.common import Common, Failed, Json, out, print_json, run
from hogline.process import service_for
from hogline.settings import from_environment
from hogline.views import CheckView, ConnectionView

_DEFAULT = Common()
_OPTIONS = Group("Options of the connection", sort_key=1)

AnonymousUsers = Literal["all", "identified", "emails"]

SiteId = Annotated[
    str | None,
    Parameter(group=_OPTIONS, help="Provided during Customer.io setup (HOGLINE_SITE_ID, HOGLINE_SITE_ID_FILE)."),
]
ApiKey = Annotated[
    str | None,
    Parameter(
        group=_OPTIONS,
        help="Provided during Customer.io setup. Other users of this machine can see it while the command runs: "
        "rather use HOGLINE_API_KEY or HOGLINE_API_KEY_FILE, or leave it out and be asked.",
    ),
]
Endpoint = Annotated[
    str | None,
    Parameter(
        group=_OPTIONS,
        help="track.customer.io (default), track-eu.customer.io if your account is in the EU region, or another base "
        "URL: https, or http on loopback.",
    ),
]
ByEmail = Annotated[
    bool | None,
    Parameter(group=_OPTIONS, help="Identify users by email instead of ID, whenever an email is available."),
]
Anonymous = Annotated[
    AnonymousUsers | None,
    Parameter(
        group=_OPTIONS,
        help="Whose events are sent: all (default), of users that have been identified, of users with emails. "
        "Customer.io bills by the number of customers.",
    ),
]
Allowlist = Annotated[
    str | None, Parameter(group=_OPTIONS, help="Comma-separated; if set, only these events are sent.")
]
Dates = Annotated[
    str | None,
    Parameter(
        group=_OPTIONS,
        help="Comma-separated attributes whose values are sent as Unix seconds (default: created_at).",
    ),
]

Pace = Annotated[
    int | None, Parameter(group=_OPTIONS, help="At most so many requests in any second, 1 to 1000 (default: 100).")
]


def connect(
    destination: Literal["customerio"],
    /,
    *,
    site_id: SiteId = None,
    api_key: ApiKey = None,
    tracking_endpoint: Endpoint = None,
    identify_by_email: ByEmail = None,
    anonymous_users: Anonymous = None,
    event_allowlist: Allowlist = None,
    date_attributes: Dates = None,
    max_requests_per_second: Pace = None,
    name: Annotated[str, Parameter(help="What to call the connection (default: the destination's name).")] = "",
    enable: Annotated[bool, Parameter(help="Send events from now on; --no-enable leaves that for later.")] = True,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Install a destination: check its credentials and send it all events from now on."""
    options = _given(
        site_id=site_id or from_environment("site_id"),
        api_key=api_key or from_environment("api_key"),
        tracking_endpoint=tracking_endpoint,
        identify_by_email=identify_by_email,
        anonymous_users=anonymous_users,
        event_allowlist=event_allowlist,
        date_attributes=date_attributes,
        max_requests_per_second=max_requests_per_second,
    )
    if sys.stdin.isatty():
        for key, title in (("site_id", "Customer.io Site ID"), ("api_key", "Customer.io API Key")):
            if key not in options:
                options[key] = getpass(f"{title}: ")

    async def work() -> ConnectionView:
        async with service_for(common.settings()) as service:
            return await service.connect(destination, options, name=name, enable=enable)

    made = run(work())
    if json:
        print_json(made)
    else:
        out.print(f"[bold]{made.name}[/] is connected and {'enabled' if made.enabled else 'not enabled yet'}.")
        if made.enabled:
            out.print("Give PostHog the URL that `hogline token` prints, and keep `hogline serve` running.")
        else:
            out.print(f"`hogline enable {made.name}` begins to send; events that come in until then wait.")


def configure(
    name: str,
    /,
    *,
    site_id: SiteId = None,
    api_key: ApiKey = None,
    tracking_endpoint: Endpoint = None,
    identify_by_email: ByEmail = None,
    anonymous_users: Anonymous = None,
    event_allowlist: Allowlist = None,
    date_attributes: Dates = None,
    max_requests_per_second: Pace = None,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Change options of a connection. What is not named stays; --event-allowlist "" empties the list."""
    options = _given(
        site_id=site_id,
        api_key=api_key,
        tracking_endpoint=tracking_endpoint,
        identify_by_email=identify_by_email,
        anonymous_users=anonymous_users,
        event_allowlist=event_allowlist,
        date_attributes=date_attributes,
        max_requests_per_second=max_requests_per_second,
    )

    async def work() -> ConnectionView:
        async with service_for(common.settings()) as service:
            return await service.configure(name, options)

    changed = run(work())
    if json:
        print_json(changed)
    else:
        out.print(f"[bold]{changed.name}[/] is changed.")


def _given(**options: object) -> dict[str, object]:
    return {key: value for key, value in options.items() if value is not None}


def check(name: str, /, *, json: Json = False, common: Common = _DEFAULT) -> None:
    """Ask the destination whether the credentials are good, and say what to do if not."""

    async def work() -> CheckView:
        async with service_for(common.settings()) as service:
            return await service.check(name)

    found = run(work())
    if json:
        print_json(found)
    else:
        out.print(found.sentence, style="" if found.ok else "red", markup=False)
    if not found.ok:
        raise Failed


def connections(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List the connections with their options; secrets are never shown."""

    async def work() -> list[ConnectionView]:
        async with service_for(common.settings()) as service:
            return await service.connections()

    found = run(work())
    if json:
        print_json({"connections": found})
        return
    if not found:
        out.print("There is no connection yet. Make one with `hogline connect customerio`.")
        return
    table = Table("name", "destination", "state", "options", box=None, pad_edge=False, header_style="dim")
    for connection in found:
        options = ", ".join(f"{key}={value}" for key, value in connection.options.items()) or "defaults"
        table.add_row(connection.name, connection.destination, connection.state.replace("_", " "), options)
    out.print(table)
    for connection in found:
        if connection.reason and connection.state != "not_serving":
            out.print(f"{connection.name}: {connection.reason}", markup=False)


def enable(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Check the credentials and send, from where the connection was."""

    async def work() -> None:
        async with service_for(common.settings()) as service:
            await service.enable(name)

    run(work())
    out.print(f"[bold]{name}[/] is enabled.")


def disable(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Stop sending. Events that come in wait until the connection is enabled again."""

    async def work() -> None:
        async with service_for(common.settings()) as service:
            await service.disable(name)

    run(work())
    out.print(f"[bold]{name}[/] is disabled.")


def disconnect(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Remove a connection with all that it knows of people. The destination keeps what it has."""

    async def work() -> None:
        async with service_for(common.settings()) as service:
            await service.disconnect(name)

    run(work())
    out.print(f"[bold]{name}[/] is removed.")
