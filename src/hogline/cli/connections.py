"""hogline connect, configure, check, connections, enable, disable, disconnect."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from getpass import getpass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from rich.table import Table

from hogline.cli.common import Common, Failed, Json, ask, err, out, print_json
from hogline.destinations.base import InvalidOptions
from hogline.destinations.catalogue import DESTINATIONS
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.customerio.old_app import read_old_app
from hogline.service import Mistake
from hogline.settings import from_environment

_DEFAULT = Common()
_EITHER = Group("Options of every connection", sort_key=1)
_CUSTOMERIO = Group("Options of a Customer.io connection", sort_key=2)
_ENGAGE = Group("Options of an Engage connection", sort_key=3)

AnonymousUsers = Literal["all", "identified", "emails", "anonymous-events"]
AttributesFrom = Literal["set", "person"]
DestinationKey = Literal["customerio", "engage"]

ENVIRONMENT = {
    "site_id": "site_id",
    "api_key": "api_key",
    # HOGLINE_SECRET_KEY is the key of the data directory: it must never be taken for a credential.
    "public_key": "engage_public_key",
    "secret_key": "engage_secret_key",
}
"""Of each credential, the environment variable that it is read from if it is not given, without `HOGLINE_`."""

MOST_APP_BYTES = 1_000_000


@Parameter(name="*", group=_EITHER)
@dataclass(frozen=True)
class EitherOptions:
    event_allowlist: Annotated[str | None, Parameter(help="Comma-separated; if set, only these events are sent.")] = (
        None
    )
    max_requests_per_second: Annotated[
        int | None, Parameter(help="At most so many requests in any second, 1 to 1000 (default: 100).")
    ] = None


@Parameter(name="*", group=_CUSTOMERIO)
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
            help="Whose events are sent: all (default), of users that have been identified, of users with emails, or "
            "as anonymous events until then. Customer.io bills by the number of customers."
        ),
    ] = None
    hold_days: Annotated[
        int | None,
        Parameter(
            help="Keep what is not sent for so many days, 0 to 30 (default: 0), and send it once the user qualifies."
        ),
    ] = None
    merge_people: Annotated[
        bool | None,
        Parameter(
            help="Merge customers when PostHog joins an anonymous user with an identified one (default: yes). "
            "Customer.io cannot undo that."
        ),
    ] = None
    attributes_from: Annotated[
        AttributesFrom | None,
        Parameter(
            help="What becomes attributes: set (default), what events set, or person, all that PostHog knows of them."
        ),
    ] = None
    attribute_names: Annotated[
        str | None,
        Parameter(
            help="Comma-separated; if set, only these become attributes. -name leaves one out, and a * at the end "
            "stands for any rest.",
            allow_leading_hyphen=True,
        ),
    ] = None
    email_property: Annotated[
        str | None, Parameter(help="The person property that holds the email (default: email).")
    ] = None
    group_objects: Annotated[
        str | None,
        Parameter(help="Comma-separated group types, each with the id of the object type that it becomes: company=1."),
    ] = None
    date_attributes: Annotated[
        str | None,
        Parameter(help="Comma-separated attributes whose values are sent as Unix seconds (default: created_at)."),
    ] = None


@Parameter(name="*", group=_ENGAGE)
@dataclass(frozen=True)
class EngageOptions:
    public_key: Annotated[
        str | None,
        Parameter(
            help="From your Engage dashboard: Settings, Account (HOGLINE_ENGAGE_PUBLIC_KEY, "
            "HOGLINE_ENGAGE_PUBLIC_KEY_FILE)."
        ),
    ] = None
    secret_key: Annotated[
        str | None,
        Parameter(
            help="From your Engage dashboard, beside the public key. Other users of this machine can see it while the "
            "command runs: rather use HOGLINE_ENGAGE_SECRET_KEY or HOGLINE_ENGAGE_SECRET_KEY_FILE, or leave it out and "
            "be asked."
        ),
    ] = None
    api_base_url: Annotated[
        str | None,
        Parameter(
            help="https://api.engage.so (default), or that of a proxy or the sandbox: https, or http on loopback."
        ),
    ] = None


_EITHER_NOT_GIVEN = EitherOptions()
_CUSTOMERIO_NOT_GIVEN = CustomerIoOptions()
_ENGAGE_NOT_GIVEN = EngageOptions()


def given(*options: EitherOptions | CustomerIoOptions | EngageOptions) -> dict[str, object]:
    """Those that were given, by key. Which of them a connection has, its destination knows."""
    return {key: value for some in options for key, value in asdict(some).items() if value is not None}


def connect(
    destination: DestinationKey,
    /,
    *,
    either: EitherOptions = _EITHER_NOT_GIVEN,
    customerio: CustomerIoOptions = _CUSTOMERIO_NOT_GIVEN,
    engage: EngageOptions = _ENGAGE_NOT_GIVEN,
    from_app: Annotated[
        Path | None,
        Parameter(
            help="A JSON file with the configuration of PostHog's old Customer.io app: its values become options; what "
            "is given beside wins.",
            group=_CUSTOMERIO,
        ),
    ] = None,
    name: Annotated[str, Parameter(help="What to call the connection (default: the destination's name).")] = "",
    enable: Annotated[bool, Parameter(help="Send events from now on; --no-enable leaves that for later.")] = True,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Install a destination: check its credentials and send it all events from now on."""
    options = given(either, customerio, engage)
    if from_app is not None:
        options |= _from_app(from_app, destination, options)
    for option in DESTINATIONS[destination].options:
        if option.key in ENVIRONMENT and option.key not in options:
            if value := from_environment(ENVIRONMENT[option.key]):
                options[option.key] = value
            elif sys.stdin.isatty():
                options[option.key] = getpass(f"{option.title}: ")

    made = ask(common, lambda service: service.connect(destination, options, name=name, enable=enable))
    if json:
        print_json(made)
    else:
        out.print(f"[bold]{made.name}[/] is connected and {'enabled' if made.enabled else 'not enabled yet'}.")
        if made.enabled:
            out.print("Give PostHog the URL that `hogline token` prints, and keep `hogline serve` running.")
        else:
            out.print(f"`hogline enable {made.name}` begins to send; events that come in until then wait.")


def _from_app(file: Path, destination: DestinationKey, options: Mapping[str, object]) -> dict[str, object]:
    """The options that a configuration of the old app gives beside these; says what it does not give."""
    if destination != CUSTOMERIO.key:
        raise Mistake("--from-app is for a Customer.io connection: the app knew no other destination.")
    try:
        with file.open("rb") as stream:
            text = stream.read(MOST_APP_BYTES)
    except OSError as error:
        raise Mistake(f"{file} cannot be read: {error.strerror}.") from None
    try:
        app = read_old_app(text, beside=options)
    except InvalidOptions as invalid:
        raise Mistake(f"{file}: {invalid}") from None
    if app.ignored:
        names = ", ".join(key[:50] for key in app.ignored[:20])
        err.print(f"{file}: ignored, as the app has no such keys: {names}", style="yellow", markup=False)
    for key, option in app.hidden.items():
        flag, variable = option.replace("_", "-"), f"HOGLINE_{ENVIRONMENT[option].upper()}"
        if not from_environment(ENVIRONMENT[option]):
            err.print(
                f"{file}: PostHog hides {key}. Give it beside: {variable}, {variable}_FILE or --{flag}.",
                style="yellow",
                markup=False,
            )
    return app.options


def configure(
    name: str,
    /,
    *,
    either: EitherOptions = _EITHER_NOT_GIVEN,
    customerio: CustomerIoOptions = _CUSTOMERIO_NOT_GIVEN,
    engage: EngageOptions = _ENGAGE_NOT_GIVEN,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Change options of a connection. What is not named stays; --event-allowlist "" empties the list."""
    changed = ask(common, lambda service: service.configure(name, given(either, customerio, engage)))
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
        out.print("There is no connection yet. Make one with `hogline connect`.")
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
