"""A receiver with a journal in memory, asked without a socket; what the tests of receiving share."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from hogline.model import Event
from hogline.posthog.entry import decode_event
from hogline.sources.budget import Budget
from hogline.sources.http import create_app
from hogline.sources.limits import ReceivingLimits
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Unwritable

TOKEN = "phc_secret"
PUBLIC_TOKEN = "phc_everybodys"
NOW_MS = 1_793_527_200_000  # 2026-11-01T10:00:00Z
UUID = "0199f3a0-0000-7000-8000-000000000001"


class Journal:
    """Keeps in memory; `full` makes it refuse."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refused: dict[str, int] = {}
        self.full: Unwritable | None = None

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        if self.full is not None:
            raise self.full
        self.events += [decode_event(event) for event in events]
        for reason, count in (refused or {}).items():
            self.refused[reason] = self.refused.get(reason, 0) + count
        return len(self.events)


class Reply(Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class Inbox:
    """Hogline's receiving side."""

    def __init__(
        self,
        limits: ReceivingLimits | None = None,
        journal: Journal | None = None,
        clock: Callable[[], int] = lambda: NOW_MS,
        budget: Budget | None = None,
    ) -> None:
        self.journal = journal or Journal()
        self.problems: list[str] = []
        tokens = TokenCheck([TOKEN], [PUBLIC_TOKEN])
        self.app = create_app(self.journal, tokens, self._ready, clock, limits or ReceivingLimits(), budget=budget)

    async def _ready(self) -> list[str]:
        return self.problems

    @property
    def event(self) -> Event:
        (event,) = self.journal.events
        return event

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        parts: Sequence[bytes] | None = None,
        cut: bool = False,
        stalls: bool = False,
    ) -> Reply:
        """The answer to a request whose body arrives in these parts. `cut`: the sender goes away before its
        end; `stalls`: it stays, and sends no more. Status 0: there was no answer."""
        incoming = [{"type": "http.request", "body": part, "more_body": True} for part in parts or [body]]
        if cut:
            incoming.append({"type": "http.disconnect"})
        elif not stalls:
            incoming[-1]["more_body"] = False
        return asyncio.run(self._ask(method, path, incoming, headers or {}))

    def ask_at_once(self, requests: Sequence[tuple[str, str, bytes]]) -> list[int]:
        """The statuses of requests that are under way together."""

        async def ask_all() -> list[Reply]:
            return await asyncio.gather(
                *(
                    self._ask(method, path, [{"type": "http.request", "body": body, "more_body": False}], {})
                    for method, path, body in requests
                )
            )

        return [reply.status for reply in asyncio.run(ask_all())]

    async def _ask(
        self, method: str, path: str, incoming: list[dict[str, object]], headers: Mapping[str, str]
    ) -> Reply:
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode("latin-1", "replace"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
        sent = []

        async def receive():
            if not incoming:
                await asyncio.Event().wait()
            return incoming.pop(0)

        async def send(message):
            sent.append(message)

        await self.app(scope, receive, send)
        if not sent:
            return Reply(0, {}, b"")
        start, end = sent
        reply_headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert int(reply_headers.get("content-length", 0)) == len(end["body"])
        return Reply(start["status"], reply_headers, end["body"])

    def capture(self, value: object, path: str = "/batch/") -> Reply:
        return self.ask("POST", path, json.dumps(value).encode())

    def webhook(self, body: bytes) -> Reply:
        return self.ask("POST", "/webhook", body, {"authorization": f"Bearer {TOKEN}"})


def captured(**changes: object) -> dict[str, object]:
    """A capture event as an SDK sends it, with changes; `...` takes a key out."""
    event: dict[str, object] = {
        "api_key": TOKEN,
        "event": "order completed",
        "uuid": UUID,
        "distinct_id": "user-1",
        "properties": {"total": 12.5},
        "timestamp": "2026-11-01T09:59:00Z",
        **changes,
    }
    return {key: value for key, value in event.items() if value is not ...}


def raw(**changes: bytes) -> bytes:
    """A capture event whose values are given as JSON text, for what `json.dumps` would not write."""
    parts = {
        "api_key": json.dumps(TOKEN).encode(),
        "event": b'"order completed"',
        "distinct_id": b'"user-1"',
        "properties": b"{}",
        **changes,
    }
    return b"{" + b",".join(b'"%s":%s' % (key.encode(), value) for key, value in parts.items()) + b"}"


def zipped(value: object) -> bytes:
    return gzip.compress(json.dumps(value).encode())
