"""hogline serve."""

from __future__ import annotations

from hogline.cli.common import Common, err, run
from hogline.runtime.serve import serve as serve_until_stopped
from hogline.service import Service
from hogline.service.core import ConsoleDoor
from hogline.store.datadir.accounts import FIRST

_DEFAULT = Common()


def serve(*, common: Common = _DEFAULT) -> None:
    """Receive and deliver events until you stop it (Ctrl-C or SIGTERM)."""
    settings = common.settings(logs=True)

    def ready(service: Service) -> None:
        err.print(
            f"Receiving at {service.addresses.receives}; data in {settings.data}. "
            "Run `hogline token` for the URL to give PostHog."
        )
        if service.addresses.watched is not None:
            err.print(f"Metrics at {service.addresses.watched}/metrics", markup=False)
        if service.addresses.console is not None:
            err.print(f"Console at {service.addresses.console.url}", markup=False)
            _tell_how_to_sign_in(service.addresses.console)

    run(serve_until_stopped(settings, ready))


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
