"""Engage's side of the wire: the events that come to `/posthog`, and what is counted of them by distinct_id.

Checks what PostHog's and Engage's documentation says of a request: the keys, a JSON object with what PostHog's
webhook says of an event. An event of a uuid that is known already is counted as a repeat and not listed again.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice

import msgspec
from msgspec import Raw, Struct
from starlette.types import Receive, Scope, Send

from hogline.sandbox import wire
from hogline.sandbox.replies import SandboxReply, as_json, phrase
from hogline.sandbox.requestlog import LoggedRequest, RequestLog
from hogline.sandbox.script import Director
from hogline.sandbox.scripted import carry_out
from hogline.sandbox.settings import SandboxSettings

EVENTS_PATH = "/posthog"
LISTS_PATH = "/v1/lists"


class Posted(Struct):
    """The body of a request, in the format of PostHog's webhook. Other fields are ignored."""

    uuid: str
    event: str
    distinct_id: str
    properties: dict[str, object]
    timestamp: str
    elements_chain: str
    url: str


class Event(Struct, gc=False):
    """The first arrival of an event."""

    sequence: int
    """Place in the order of arrival, from 1."""
    uuid: str
    name: str
    distinct_id: str
    timestamp: str
    received_at: float
    body: Raw
    """The JSON object as it was sent."""
    repeats: int = 0
    altered: int = 0
    """Of the repeats, those with another body than the first."""


class User(Struct):
    """What is counted of one distinct_id."""

    distinct_id: str
    events: int = 0
    last_event: str = ""


class Engage:
    """The account of one pair of keys, as an ASGI application for `/posthog` and `/v1/…`."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self.settings = settings.engage
        self.clock = clock
        self.stopping = asyncio.Event()
        """Set when the server stops: nothing waits any longer."""
        self._kept_events = settings.kept_events
        self._kept_bytes = settings.kept_bytes
        keys = f"{self.settings.public_key}:{self.settings.secret_key}"
        self._credentials = base64.b64encode(keys.encode())
        self.reset()

    def reset(self) -> None:
        """Empty, no script, no request remembered."""
        self.director = Director()
        self.log = RequestLog()
        self.users: dict[str, User] = {}
        self._events: deque[Event] = deque()
        self._by_uuid: dict[str, Event] = {}
        self._bytes = 0
        self.accepted = 0
        """Events that were ever accepted, repeats not counted."""
        self.repeats = 0
        self.altered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await wire.read_body(receive)
        except wire.BodyTooLarge:
            await wire.respond(send, error(413))
            return
        except wire.Disconnected:
            return
        exchange = _Exchange(self, scope, body, authorized=self._authorized(scope))
        if exchange.authorized:
            await carry_out(self.director, exchange, scope=scope, receive=receive, send=send, stopping=self.stopping)
        else:
            answer = error(401)
            exchange.note(answer)
            await wire.respond(send, answer)

    def _authorized(self, scope: Scope) -> bool:
        scheme, _, credentials = (wire.header(scope, b"authorization") or b"").partition(b" ")
        return scheme.lower() == b"basic" and credentials.strip() == self._credentials

    def accept(self, posted: Posted, body: bytes) -> None:
        """Keep an event, or count it as a repeat; `body` is what it was read from."""
        known = self._by_uuid.get(posted.uuid)
        if known is not None:
            altered = bytes(known.body) != body
            known.repeats += 1
            known.altered += altered
            self.repeats += 1
            self.altered += altered
            return
        self.accepted += 1
        event = Event(
            self.accepted, posted.uuid, posted.event, posted.distinct_id, posted.timestamp, self.clock(), Raw(body)
        )
        self._events.append(event)
        self._by_uuid[event.uuid] = event
        user = self.users.setdefault(event.distinct_id, User(event.distinct_id))
        user.events += 1
        user.last_event = event.name
        self._bytes += len(body)
        while len(self._events) > self._kept_events or self._bytes > self._kept_bytes:
            oldest = self._events.popleft()
            self._bytes -= len(bytes(oldest.body))
            del self._by_uuid[oldest.uuid]

    def events(self, *, limit: int, after: int = 0, distinct_id: str | None = None) -> list[Event]:
        """In the order of arrival, those after sequence `after` that are still kept."""
        first = self.accepted - len(self._events) + 1
        found: Iterator[Event] = islice(self._events, max(0, after + 1 - first), None)
        if distinct_id is not None:
            found = (event for event in found if event.distinct_id == distinct_id)
        return list(islice(found, limit))

    def newest(self, limit: int) -> list[Event]:
        """The last ones that arrived, newest first."""
        return list(islice(reversed(self._events), limit))

    def summary(self) -> dict[str, object]:
        """Totals that cost nothing to ask for."""
        return {
            "public_key": self.settings.public_key,
            "users": len(self.users),
            "events": self.accepted,
            "repeats": self.repeats,
            "altered": self.altered,
            "totals": self.log.totals,
        }


class _Exchange:
    """One request, read whole."""

    def __init__(self, engage: Engage, scope: Scope, body: bytes, *, authorized: bool) -> None:
        self._engage = engage
        self._method: str = scope["method"]
        self._body = body
        self.authorized = authorized
        self.path: str = scope["path"]
        self.delivers = self.path == EVENTS_PATH

    def answer(self, refuse: Sequence[str]) -> SandboxReply:
        method = {EVENTS_PATH: "POST", LISTS_PATH: "GET"}.get(self.path)
        if method is None:
            return error(404)
        if method != self._method:
            return error(405)
        if not self.delivers:
            return as_json({"data": [], "next_cursor": None})
        try:
            posted = _read(self._body)
        except ValueError as problem:
            return _refused(str(problem))
        if posted.event in refuse or posted.distinct_id in refuse:
            return _refused("refused by the sandbox's script")
        self._engage.accept(posted, self._body)
        return SandboxReply(200, operations=1)

    def operations(self) -> int:
        return int(self.delivers)

    def error(self, status: int) -> SandboxReply:
        return error(status)

    def note(self, answer: SandboxReply) -> None:
        request = LoggedRequest(
            time=self._engage.clock(),
            site_id=self._engage.settings.public_key if self.authorized else None,
            method=self._method,
            path=self.path,
            status=answer.status,
            operations=answer.operations,
            bytes=len(self._body),
        )
        self._engage.log.add(request, delivers=self.delivers, refused=answer.refused)


def error(status: int, sentence: str | None = None) -> SandboxReply:
    """The form of Engage's errors."""
    return as_json({"error": sentence or phrase(status)}, status)


def _refused(sentence: str) -> SandboxReply:
    return msgspec.structs.replace(error(400, sentence), operations=1, refused=1)


_decoder = msgspec.json.Decoder(Posted)


def _read(body: bytes) -> Posted:
    """Raises ValueError with a sentence that quotes nothing."""
    try:
        posted = _decoder.decode(body)
    except msgspec.ValidationError as wrong:
        raise ValueError(f"The event does not match the format of PostHog's webhook: {wrong}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("The body is not JSON.") from None
    for name in ("uuid", "event", "distinct_id"):
        if not getattr(posted, name).strip():
            raise ValueError(f"{name} cannot be blank.")
    try:
        datetime.fromisoformat(posted.timestamp)
    except ValueError:
        raise ValueError("timestamp must be a time (ISO 8601).") from None
    return posted
