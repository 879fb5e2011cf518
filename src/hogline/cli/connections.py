"""hogline connect, configure, check, connections, enable, disable, disconnect."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from getpass import getpass
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from rich.table import Table

from hogline.cli.common import Common, Failed, Json, ask, out, print_json
from hogline.settings import from_environment

_DEFAULT = Common()
_OPTIONS = Group("Options of the connection", sort_key=1)

AnonymousUsers = Literal["all", "identified", "emails"]


@Parameter(name="*", group=_OPTIONS)
@dataclass(frozen=True)
class CustomerIoOptions:
    site_id: Annotated[
        str | None,
        Parameter(help="Provided during Customer.io setup (HOGLINE_SITE_ID, HOGLINE_SITE_ID_FILE)."),
    ] = None
    api_key: Annotated[
        str | None,
        Parameter(
            help="Provided during Customer.io setup. Other users of this machine can see it while the command runs: "
            "rather use HOGLINE_API_KEY or HOGLINE_API_KEY_FILE, or leave it out and be asked."
        ),
    ] = None
    tracking_endpoint: Annotated[
        str | None,
        Parameter(
            help="track.customer.io (default), track-eu.customer.io if your account is in the EU region, or another "
            "base URL: https, or http on loopback."
        ),
    ] = None
    identify_by_email: Annotated[
        bool | None, Parameter(help="Identify users by email instead of ID, whenever an email is available.")
    ] = None
    anonymous_users: Annotated[
        AnonymousUsers | None,
        Parameter(
            help="Whose events are sent: all (default), of users that have been identified, of users with emails. "
            "Customer.io bills by the number of customers."
        ),
    ] = None
    event_allowlist: Annotated[str | None, Parameter(help="Comma-separated; if set, only these events are sent.")] = (
        None
    )
    date_attributes: Annotated[
        str | None,
        Parameter(help="Comma-separated attributes whose values are sent as Unix seconds (default: created_at)."),
    ] = None
    max_requests_per_second: Annotated[
        int | None, Parameter(help="At most so many requests in any second, 1 to 1000 (default: 100).")
    ] = None

    def given(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self).items() if value is not None}


_NOT_GIVEN = CustomerIoOptions()


def connect(
    destination: Literal["customerio"],
    /,
    *,
    given: CustomerIoOptions = _NOT_GIVEN,
    name: Annotated[str, Parameter(help="What to call the connection (default: the destination's name).")] = "",
    enable: Annotated[bool, Parameter(help="Send events from now on; --no-enable leaves that for later.")] = True,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Install a destination: check its credentials and send it all events from now on."""
    options = given.given()
    for key in ("site_id", "api_key"):
        if key not in options and (value := from_environment(key)):
            options[key] = value
    if sys.stdin.isatty():
        for key, title in (("site_id", "Customer.io Site ID"), ("api_key", "Customer.io API Key")):
            if key not in options:
                options[key] = getpass(f"{title}: ")

    made = ask(common, lambda service: service.connect(destination, options, name=name, enable=enable))
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
    given: CustomerIoOptions = _NOT_GIVEN,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Change options of a connection. What is not named stays; --event-allowlist "" empties the list."""
    changed = ask(common, lambda service: service.configure(name, given.given()))
    if json:
        print_json(changed)
    else:
        out.print(f"[bold]{changed.name}[/] is changed.")


def check(name: str, /, *, json: Json = False, common: Common = _DEFAULT) -> None:
    """Ask the destination whether the credentials are good, and say what to do if not."""
    found = ask(common, lambda service: service.check(name))
    if json:
        print_json(found)
    else:
        out.print(found.sentence, style="" if found.ok else "red", markup=False)
    if not found.ok:
        raise Failed


def connections(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List the connections with their options; secrets are never shown."""
    found = ask(common, lambda service: service.connections())
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
    ask(common, lambda service: service.enable(name))
    out.print(f"[bold]{name}[/] is enabled.")


def disable(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Stop sending. Events that come in wait until the connection is enabled again."""
    ask(common, lambda service: service.disable(name))
    out.print(f"[bold]{name}[/] is disabled.")


def disconnect(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Remove a connection with all that it knows of people. The destination keeps what it has."""
    ask(common, lambda service: service.disconnect(name))
    out.print(f"[bold]{name}[/] is removed.")
