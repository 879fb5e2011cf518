"""What a route is, and which one a path means. Knows no route by name, and nothing of what is answered there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct

from hogline.posthog import Received
from hogline.sources.asgi import CLIENT, Receive, Reply, Scope


class Request:
    """One request, as far as receiving looks at it."""

    __slots__ = ("began_s", "client", "headers", "id", "method", "path", "query_string", "receive", "received")

    def __init__(self, scope: Scope, receive: Receive, request_id: str, began_s: float) -> None:
        self.id = request_id
        self.began_s = began_s
        self.received: Sequence[Received] = ()
        """The events that it brought, once they are read."""
        client = scope.get("client")
        self.client: str = scope.get(CLIENT) or (client[0] if client else "")
        """The sender's address, to tell senders apart by."""
        self.method: str = scope["method"]
        path: str = scope["path"]
        self.path = path.rstrip("/")
        self.query_string: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive = receive

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]


class Route(Struct, frozen=True):
    """`path` has no slash at its end. `<…>` matches any text: `/webhook/<token>`."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    browsers: bool = False
    """Pages of other origins may ask here (CORS)."""


class RouteTable:
    """The first route that fits; an exact path before one with `<>`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[str, str, Route]] = []
        for route in routes:
            prefix, bracket, rest = route.path.partition("<")
            if bracket:
                self._patterns.append((prefix, rest.partition(">")[2], route))
            else:
                self._exact[prefix] = route

    def find(self, path: str) -> Route | None:
        """`path` without slashes at its end."""
        route = self._exact.get(path)
        if route is not None:
            return route
        for prefix, suffix, route in self._patterns:
            if path.startswith(prefix) and path.endswith(suffix) and len(path) > len(prefix) + len(suffix):
                return route
        return None
