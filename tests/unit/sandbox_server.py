"""A Customer.io in this process: the sandbox's workspace behind the one function by which requests are sent.

Knows what is sent and what came of it; nothing of who sends it. Credentials are not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from hogline.destinations.base import Unreachable
from hogline.model import Request, Response
from hogline.sandbox import v1, v2, views
from hogline.sandbox.replies import SandboxReply
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.sandbox.workspace import Workspace

NOW_S = 1_793_100_000.0
BATCH = "/api/v2/batch"
REGION = {"url": "https://track.customer.io", "region": "us", "environment_id": 1}

Operations: TypeAlias = list[dict[str, Any]]
"""Of one request, in order. One that has a route of its own has its `path` too."""
Scripted: TypeAlias = Response | Unreachable | Callable[[Operations], Response | None]
"""What one request gets: an answer without any effect, no answer, or what a function of its operations says; None:
the usual answer."""


class SandboxServer:
    """Every request takes effect as in Customer.io, unless the `script` has something to say about it. Its first
    entry is for the next request, and used up by it.
    """

    def __init__(self, *script: Scripted, clock: Callable[[], float] = lambda: NOW_S) -> None:
        """`clock`: seconds since 1970."""
        self.workspace = Workspace(WorkspaceSettings(), SandboxSettings(), clock)
        self.script: list[Scripted] = list(script)
        self.refuses: Callable[[str, object], bool] | None = None
        """An identify with an attribute (name, value) of which this is true is refused as a whole."""
        self.names_field = True
        """Whether such a refusal says which attribute it is about."""
        self.requests: list[Operations] = []
        """All that was asked, whatever the answer."""
        self.accepted: Operations = []

    def fail(self, requests: int, status: int = 503) -> None:
        """So many requests from now on get this status, and have no effect."""
        self.script += [Response(status, {}, b'{"meta":{"error":"no"}}')] * requests

    async def send(self, request: Request) -> Response:
        """Raises `Unreachable` where the script says so."""
        path = urlsplit(request.url).path
        if request.method == "GET":
            return Response(200, {}, msgspec.json.encode(REGION))
        body = msgspec.json.decode(request.body)
        operations: Operations = body["batch"] if path == BATCH else [{**body, "path": path}]
        self.requests.append(operations)
        await asyncio.sleep(0)
        scripted = self.script.pop(0) if self.script else None
        if isinstance(scripted, Unreachable):
            raise scripted
        answer = scripted(operations) if callable(scripted) else scripted
        return answer or self._perform(path, request.body, operations)

    def _perform(self, path: str, body: bytes, operations: Operations) -> Response:
        if path == BATCH:
            return self._perform_batch(operations)
        parts = [unquote(part) for part in path.removeprefix("/api/v1/").split("/")]
        answer = v1.answer(self.workspace, "POST", parts, body)
        if answer.status == 200:
            self.accepted += operations
        return _response(answer)

    def _perform_batch(self, operations: Operations) -> Response:
        errors: list[dict[str, object]] = []
        for index, operation in enumerate(operations):
            error = self._refused(operation) or self._error_of(operation)
            if error is None:
                self.accepted.append(operation)
            else:
                errors.append({**error, "batch_index": index})
        return Response(207 if errors else 200, {}, msgspec.json.encode({"errors": errors} if errors else {}))

    def _refused(self, operation: dict[str, Any]) -> dict[str, object] | None:
        if self.refuses is None or operation["action"] != "identify":
            return None
        for name, value in operation["attributes"].items():
            if self.refuses(name, value):
                return {"reason": "invalid", "field": f"attributes.{name}" if self.names_field else "", "message": "no"}
        return None

    def _error_of(self, operation: dict[str, Any]) -> dict[str, object] | None:
        """Let one operation take effect; what is wrong with it, or None."""
        answer = v2.batch(self.workspace, msgspec.json.encode({"batch": [operation]}))
        if answer.status == 200:
            return None
        error: dict[str, object] = msgspec.json.decode(answer.body)["errors"][0]
        return error

    def lost(self, operations: Operations) -> Response:
        """For the script: the request takes effect, and its answer does not arrive."""
        self._perform_batch(operations)
        raise Unreachable("the answer was lost")

    def delete(self, distinct_id: str) -> None:
        """Somebody deletes a customer there."""
        operation = {"type": "person", "action": "delete", "identifiers": {"id": distinct_id}}
        v2.batch(self.workspace, msgspec.json.encode({"batch": [operation]}))

    @property
    def people(self) -> list[views.PersonView]:
        """The customers there are, in the order in which they were created."""
        return views.people(self.workspace, limit=1_000_000)

    @property
    def events(self) -> list[views.EventView]:
        """Events in the order of arrival, each ULID once, with whose they are now."""
        return views.events(self.workspace, limit=1_000_000)

    def sent(self, action: str) -> Operations:
        """The accepted operations of this action, in order."""
        return [operation for operation in self.accepted if operation.get("action") == action]


def _response(answer: SandboxReply) -> Response:
    return Response(answer.status, dict(answer.headers), answer.body)
