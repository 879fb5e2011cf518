"""hogline serve."""

from __future__ import annotations

from hogline.cli.common import Common, err, run
from hogline.serve import serve as serve_until_stopped
from hogline.service import Service

_DEFAULT = Common()


def serve(*, common: Common = _DEFAULT) -> None:
    """Receive and deliver until stopped (Ctrl-C or SIGTERM)."""
    settings = common.settings(logs=True)

    def ready(service: Service) -> None:
        err.print(
            f"Receiving at {service.receives_at}; data in {settings.data}. `hogline token` prints the URL for PostHog."
        )
        if service.console is not None:
            err.print(f"Console at {service.console.url}", markup=False)
            password = service.console.first_password
            if password:
                err.print(f"Its password, shown this once: {password}  (`hogline password` sets another)", markup=False)

    run(serve_until_stopped(settings, ready))
