"""Watches receiving: an id for each request, and debug lines that say which events it brought.

A line has a request's route, status, size and events' uuids; never its path (it may contain a token), headers or body.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterable

import structlog

from hogline.telemetry.lines import in_lines

log = structlog.get_logger("hogline.receiving")

_UNKNOWN = "unknown"


class ReceivingWatch:
    """Numbers the requests of one listener, and logs their results as debug lines."""

    def __init__(self) -> None:
        self._debug = bool(log.is_enabled_for(logging.DEBUG))
        # The ids of one process start alike, and differ from those of another.
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """For one request. A sender's own id is not used: it could be anything."""
        return f"{self._process}-{next(self._numbers):x}"

    def now_s(self) -> float:
        return time.monotonic()

    def answered(self, request_id: str, route: str, status: int, began_s: float, uuids: Iterable[str]) -> None:
        """The request was answered. `route`: its path in the table of routes; empty for none. `uuids`: those of the
        events that it brought and that were kept, or would have been.
        """
        if not self._debug:
            return
        took_ms = round((time.monotonic() - began_s) * 1_000, 1)
        every = list(uuids)
        line = log.bind(request=request_id, route=route or _UNKNOWN)
        for some in in_lines(every) if every else ([],):
            line.debug("received", status=status, ms=took_ms, events=len(every), uuids=some)

    def failed(self, request_id: str, route: str, where: str) -> None:
        """An internal error kept the request from being answered."""
        log.error("a request could not be answered", request=request_id, route=route or _UNKNOWN, error=where)
