"""Talks to a sandbox in the same process, over ASGI, without a network."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import Message

from hogline.sandbox.app import create_app
from hogline.sandbox.settings import SandboxSettings

ULID = "01H455VB4PEX5VSKNK084SN02Q"
NOW = 1_790_000_000


def ulid(number: int) -> str:
    return f"01H455VB4PEX5VSKNK{number:08d}"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    def __init__(self, settings: SandboxSettings | None = None, now: float = NOW) -> None:
        self.now = now
        self.app = create_app(settings, clock=lambda: self.now)
        self.credentials = ("sandbox-site", "sandbox-key")

    def request(self, method: str, target: str, body: object = b"", headers: dict[str, str] | None = None) -> Reply:
        """A body that is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = target.partition("?")
        token = base64.b64encode(":".join(self.credentials).encode()).decode()
        sent = {"authorization": f"Basic {token}", "host": "sandbox.test"} | (headers or {})
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }
        return asyncio.run(self._exchange(scope, content))

    async def _exchange(self, scope: dict[str, Any], content: bytes) -> Reply:
        messages: list[Message] = []
        # In two parts, as a body may arrive.
        middle = len(content) // 2
        parts = [(content[:middle], True), (content[middle:], False)]

        async def receive() -> Message:
            part, more = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": more}

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start, *rest = messages
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], headers, b"".join(message.get("body", b"") for message in rest))

    def get(self, target: str) -> Any:
        reply = self.request("GET", target)
        assert reply.status == 200, reply
        return reply.json

    def batch(self, *operations: object) -> Reply:
        return self.request("POST", "/api/v2/batch", {"batch": operations})

    def accept(self, *operations: object) -> None:
        reply = self.batch(*operations)
        assert (reply.status, reply.json) == (200, {})

    def refusal(self, operation: object) -> dict[str, Any]:
        """The one error with which this operation is refused between two that are accepted."""
        reply = self.batch(event("before"), operation, event("after"))
        assert reply.status == 207, reply
        (error,) = reply.json["errors"]
        assert error["batch_index"] == 1
        assert error["message"]
        assert [found["name"] for found in self.events()][-2:] == ["before", "after"]
        return dict(error)

    def people(self) -> list[Any]:
        return list(self.get("/sandbox/people"))

    def person(self, **identifier: str) -> Any:
        ((kind, value),) = identifier.items()
        found = self.get(f"/sandbox/people?{kind}={value}")
        return found[0] if found else None

    def events(self, query: str = "") -> list[Any]:
        return list(self.get(f"/sandbox/events{query}"))

    def script(self, script: object) -> Reply:
        return self.request("PUT", "/sandbox/script", script)


def event(name: str = "order", person: str = "u1", **more: object) -> dict[str, object]:
    return {"type": "person", "identifiers": {"id": person}, "action": "event", "name": name, **more}


def identify(person: str | dict[str, str], timestamp: int | None = None, **attributes: object) -> dict[str, object]:
    operation: dict[str, object] = {
        "type": "person",
        "identifiers": {"id": person} if isinstance(person, str) else person,
        "action": "identify",
        "attributes": attributes,
    }
    return operation if timestamp is None else {**operation, "timestamp": timestamp}


def act(action: str, identifiers: object = None, **more: object) -> dict[str, object]:
    return {"type": "person", "action": action, "identifiers": identifiers or {"id": "u1"}, **more}


def merge(primary: dict[str, str], secondary: dict[str, str]) -> dict[str, object]:
    return {"type": "person", "action": "merge", "primary": primary, "secondary": secondary}
