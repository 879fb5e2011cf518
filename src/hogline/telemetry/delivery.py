"""Watches one connection deliver: log lines, and the time of each request.

The worker says what happens and knows nothing about what this does with it. It only sees the uuids of events and the
sizes of requests. Knows no destination and no metrics.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import structlog

from hogline.clock import Clock
from hogline.destinations.base import Unreachable
from hogline.model import Response
from hogline.telemetry.lines import in_lines

log = structlog.get_logger("hogline.delivery")

RequestListener: TypeAlias = Callable[[str, float], None]
"""Called after each request with the connection's name and how many seconds the response took."""


def nobody(_connection: str, _took_s: float) -> None:
    """A listener that does nothing."""


class DeliveryWatch:
    """Log lines of one worker. Anything expensive is only done for debug lines."""

    def __init__(self, connection: str, clock: Clock, listener: RequestListener = nobody) -> None:
        self._connection = connection
        self._clock = clock
        self._listener = listener
        self._debug = bool(log.is_enabled_for(logging.DEBUG))
        self._shipments = 0
        self._trouble: str | None = None

    def standing(self, trouble: str | None) -> None:
        """Why the connection waits; None: all is well. Logs a line when that changes."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is None:
            log.info("connection delivering again", connection=self._connection)
        else:
            log.warning("connection waiting", connection=self._connection, reason=trouble)

    @contextmanager
    def shipment(self, uuids: Iterable[str]) -> Iterator[None]:
        """Events are on their way together: lines within have the shipment's number, first and last event."""
        if not self._debug:
            yield
            return
        self._shipments += 1
        every = list(uuids)
        ends = {"first": every[0], "last": every[-1]} if every else {}
        with structlog.contextvars.bound_contextvars(shipment=self._shipments, **ends):
            for some in in_lines(every):
                log.debug("shipment", connection=self._connection, events=len(every), uuids=some)
            yield

    async def timed(self, answer: Awaitable[Response], operations: int, size_bytes: int) -> Response:
        """The response to a request with this many operations. Raises what waiting for it raises."""
        began_s = self._clock.now_s()
        status = "given up"
        try:
            response = await answer
            status = str(response.status)
        except Unreachable as unreachable:
            status = f"unreachable: {unreachable}"
            raise
        finally:
            took_s = self._clock.now_s() - began_s
            self._listener(self._connection, took_s)
            if self._debug:
                log.debug(
                    "request",
                    connection=self._connection,
                    operations=operations,
                    bytes=size_bytes,
                    status=status,
                    ms=round(took_s * 1_000, 1),
                )
        return response
