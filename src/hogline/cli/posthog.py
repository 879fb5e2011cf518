"""hogline posthog connect, status, disconnect."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated

from cyclopts import App, Parameter

from hogline.cli.common import Common, Failed, Json, ask, out, print_json
from hogline.environment import from_environment
from hogline.posthog_api import SCOPES
from hogline.service import CannotDo

_DEFAULT = Common()

Host = Annotated[str, Parameter(help="eu, us, or the address of your own PostHog.")]
Project = Annotated[str, Parameter(help="The project number, from PostHog's address bar: /project/12345.")]

posthog = App(
    name="posthog",
    help="Set up the webhook destination in PostHog that sends events to Hogline.",
)


@posthog.command
def connect(
    *,
    host: Host = "eu",
    project: Project,
    test_accounts: Annotated[
        bool,
        Parameter(negative="", help="Also send events that PostHog's filter for internal and test users excludes."),
    ] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Create or update the webhook destination in PostHog, and send a test event through it.

    You need a personal API key with the scopes hog_function:read and hog_function:write. Set
    HOGLINE_POSTHOG_API_KEY, or type the key when asked. Hogline uses it only for this command.
    """
    key = personal_key(SCOPES)
    done = ask(common, lambda service: service.posthog.connect(host, project, key, test_accounts=test_accounts))
    if json:
        print_json(done)
    elif done.arrived:
        out.print(f"PostHog now sends every event to {done.url}. A test event arrived.", markup=False)
    else:
        out.print(f"The destination is set up, but the test failed. {done.problem}", style="red", markup=False)
    if not done.arrived:
        raise Failed


@posthog.command
def status(*, host: Host = "eu", project: Project, json: Json = False, common: Common = _DEFAULT) -> None:
    """Show PostHog's view of the destination: state, counts for the last 7 days, newest errors."""
    key = personal_key(SCOPES)
    found = ask(common, lambda service: service.posthog.status(host, project, key))
    if json:
        print_json(found)
        return
    out.print(f"{found.url}: {'enabled' if found.enabled else 'disabled in PostHog'}", end="", markup=False)
    out.print(f", {found.state}" if found.state else "", markup=False)
    if found.totals:
        counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(found.totals.items()))
        out.print(f"last 7 days: {counts}", markup=False)
    for error in found.errors:
        out.print(error, style="red", markup=False)


@posthog.command
def disconnect(*, host: Host = "eu", project: Project, common: Common = _DEFAULT) -> None:
    """Remove the destination from PostHog."""
    key = personal_key(SCOPES)
    ask(common, lambda service: service.posthog.disconnect(host, project, key))
    out.print("PostHog no longer sends events here.")


def personal_key(scopes: str) -> str:
    if key := from_environment("posthog_api_key"):
        return key
    if not sys.stdin.isatty():
        raise CannotDo(f"Set HOGLINE_POSTHOG_API_KEY to a PostHog personal API key with the scopes {scopes}.")
    return getpass("PostHog personal API key: ")
