"""Our own destinations pass the suite that we hand to authors."""

from __future__ import annotations

from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.engage import ENGAGE
from hogline.testing.destinations import DestinationSuite


class TestCustomerIo(DestinationSuite):
    destination = CUSTOMERIO
    options = {"site_id": "canary-site", "api_key": "canary-key"}  # noqa: RUF012  # as authors write it


class TestEngage(DestinationSuite):
    destination = ENGAGE
    options = {"public_key": "canary-public", "secret_key": "canary-secret"}  # noqa: RUF012
