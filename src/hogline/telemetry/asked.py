"""The service, saying in the log what its users changed: which connection was made, changed, enabled, disabled or
removed. Options and their values are not said: secrets are among them.
"""

from __future__ import annotations

import structlog

from hogline.service import Service
from hogline.telemetry.delivery import RequestListener
from hogline.views import ConnectionView, TokenView

log = structlog.get_logger("hogline.service")


class WatchedService(Service):
    """A `Service` that runs connections. A command that fails says so to whoever asked, not here."""

    def listen(self, listener: RequestListener) -> None:
        """Tell of each delivery request of the workers that are started from now on."""
        self._workers.listener = listener

    async def connect(
        self, destination: str, options: dict[str, object], *, name: str = "", enable: bool = True
    ) -> ConnectionView:
        made = await super().connect(destination, options, name=name, enable=enable)
        log.info("connection made", connection=made.name, destination=destination, enabled=made.enabled)
        return made

    async def configure(self, name: str, options: dict[str, object]) -> ConnectionView:
        changed = await super().configure(name, options)
        log.info("connection changed", connection=name, options=sorted(options))
        return changed

    async def enable(self, name: str) -> ConnectionView:
        enabled = await super().enable(name)
        log.info("connection enabled", connection=name)
        return enabled

    async def disable(self, name: str) -> ConnectionView:
        disabled = await super().disable(name)
        log.info("connection disabled", connection=name)
        return disabled

    async def disconnect(self, name: str) -> None:
        await super().disconnect(name)
        log.info("connection removed", connection=name)

    async def rotate_token(self) -> TokenView:
        rotated = await super().rotate_token()
        log.info("token rotated", valid=1 + len(rotated.older))
        return rotated

    async def revoke_token(self, token: str) -> TokenView:
        left = await super().revoke_token(token)
        log.info("token revoked", valid=1 + len(left.older))
        return left
