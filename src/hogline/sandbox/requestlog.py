"""The requests that the Track API answered: the last thousand one by one, all of them as totals."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

KEPT_REQUESTS = 1_000


class LoggedRequest(Struct, gc=False):
    time: float
    """Seconds since 1970."""
    site_id: str | None
    """None if the credentials fit no workspace."""
    method: str
    path: str
    status: int
    """0: the connection was cut instead of an answer."""
    operations: int
    bytes: int
    """Of the body."""


class Totals(Struct, gc=False):
    requests: int = 0
    deliveries: int = 0
    """Requests that may carry operations: all but the region check."""
    operations: int = 0
    bytes: int = 0
    refused: int = 0
    """Operations that were refused by name or with their whole request."""
    unauthorized: int = 0


class RequestLog:
    def __init__(self) -> None:
        self.totals = Totals()
        self._last: deque[LoggedRequest] = deque(maxlen=KEPT_REQUESTS)

    def add(self, request: LoggedRequest, *, delivers: bool, refused: int) -> None:
        self._last.append(request)
        totals = self.totals
        totals.requests += 1
        totals.deliveries += delivers
        totals.operations += request.operations
        totals.bytes += request.bytes
        totals.refused += refused
        totals.unauthorized += request.status == 401 and request.site_id is None

    def last(self, site_id: str | None = None) -> list[LoggedRequest]:
        """Oldest first; of one workspace, or of all."""
        return [request for request in self._last if site_id is None or request.site_id == site_id]
