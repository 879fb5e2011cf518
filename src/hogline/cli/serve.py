"""hogline serve."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import Common, err, run
from hogline.runtime.serve import Role
from hogline.runtime.serve import serve as serve_until_stopped
from hogline.service.core import Addresses, ConsoleDoor
from hogline.settings import Settings
from hogline.store.datadir.accounts import FIRST

_DEFAULT = Common()


def serve(
    *,
    only: Annotated[
        Role | None,
        Parameter(help="Do only this. Needs HOGLINE_STORE, and can run any number of times, on any machine."),
    ] = None,
    common: Common = _DEFAULT,
) -> None:
    """Receive and deliver events until you stop it (Ctrl-C or SIGTERM)."""
    settings = common.settings(logs=True)
    run(serve_until_stopped(settings, lambda addresses: _tell(settings, only, addresses), only))


def _tell(settings: Settings, only: Role | None, addresses: Addresses) -> None:
    """It is ready."""
    if only == "deliver":
        err.print("Ready to deliver as soon as no other process delivers. `hogline workers` shows all of them.")
    elif only != "console":
        kept = f"data in {settings.data}" if settings.store is None else "data in PostgreSQL"
        err.print(f"Receiving at {addresses.receives}; {kept}. Run `hogline token` for the URL to give PostHog.")
    _tell_where(addresses)


def _tell_where(addresses: Addresses) -> None:
    if addresses.watched is not None:
        err.print(f"Metrics at {addresses.watched}/metrics", markup=False)
    if addresses.console is not None:
        err.print(f"Console at {addresses.console.url}", markup=False)
        _tell_how_to_sign_in(addresses.console)


def _tell_how_to_sign_in(console: ConsoleDoor) -> None:
    """Until someone sets a password, show the initial one, but only on a terminal: many people read a service's log."""
    file = console.first_password_file
    if file is None:
        return
    if err.is_terminal and console.first_password is not None:
        err.print(
            f"Sign in as {FIRST} with {console.first_password}  (`hogline password` sets a new one)", markup=False
        )
    else:
        err.print(f"Sign in as {FIRST}; the password is in {file}  (`hogline password` sets a new one)", markup=False)
