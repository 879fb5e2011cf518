"""hogline alerts (list, test)."""

from __future__ import annotations

from cyclopts import App
from rich.text import Text

from hogline.cli.common import Common, Json, ask, out, print_json

_DEFAULT = Common()

alerts = App(name="alerts", help="Alerts: what is wrong now; send a test message.")


@alerts.default
def list_(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """Show what is wrong now: stopped connections, lag, failures, silence, bounds."""
    found = ask(common, lambda service: service.alerts.all())
    if json:
        print_json({"alerts": found})
    elif not found:
        out.print("No alerts.")
    for alert in () if json else found:
        out.print(Text(alert.sentence, style="red"))


@alerts.command(name="test")
def send_test(*, common: Common = _DEFAULT) -> None:
    """Send a test message to HOGLINE_ALERT_EMAIL and HOGLINE_ALERT_WEBHOOK."""
    places = ask(common, lambda service: service.alerts.test())
    out.print(f"Sent a test message by {' and '.join(places)}.")
