"""The App API, as far as it says what a workspace has: people's attributes, and changes that failed. Values come back
as text, as in Customer.io's examples.

Source: docs.customer.io, App API: getPeopleById, listActivities; 10 requests a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from hogline.sandbox import wire
from hogline.sandbox.people import FailedChange, Person
from hogline.sandbox.replies import SandboxReply, as_json, meta_error
from hogline.sandbox.workspace import Workspace

ATTRIBUTES_PATH = "/v1/customers/attributes"
ACTIVITIES_PATH = "/v1/activities"
PATHS = frozenset({ATTRIBUTES_PATH, ACTIVITIES_PATH})
MOST_IDS = 100
MOST_ACTIVITIES = 100
PER_SECOND = 10


class _Ids(Struct):
    ids: list[str]


class AppApi:
    """An ASGI application. Each workspace has its own App API key."""

    def __init__(self, workspaces: Iterable[Workspace], clock: Callable[[], float]) -> None:
        self._workspaces = {one.settings.app_api_key: one for one in workspaces}
        self._clock = clock
        self._asked: deque[float] = deque(maxlen=PER_SECOND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await wire.read_body(receive)
        except wire.BodyTooLarge:
            await wire.respond(send, meta_error(413))
        except wire.Disconnected:
            pass
        else:
            await wire.respond(send, self._answer(scope, body))

    def _answer(self, scope: Scope, body: bytes) -> SandboxReply:
        scheme, _, key = (wire.header(scope, b"authorization") or b"").partition(b" ")
        workspace = self._workspaces.get(key.strip().decode("latin-1")) if scheme.lower() == b"bearer" else None
        if workspace is None:
            return meta_error(401, "Unauthorized request")
        now_s = self._clock()
        if len(self._asked) == PER_SECOND and now_s - self._asked[0] < 1:
            return meta_error(429)
        self._asked.append(now_s)
        query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        if scope["path"] == ATTRIBUTES_PATH:
            return _attributes(workspace, query, body) if scope["method"] == "POST" else meta_error(405)
        return _activities(workspace, query) if scope["method"] == "GET" else meta_error(405)


def _attributes(workspace: Workspace, query: dict[str, str], body: bytes) -> SandboxReply:
    kind = query.get("id_type", "id")
    try:
        ids = msgspec.json.decode(body, type=_Ids).ids
    except msgspec.MsgspecError:
        return meta_error(400, "ids must be an array of strings")
    if not 1 <= len(ids) <= MOST_IDS:
        return meta_error(400, f"ids must have 1 to {MOST_IDS} identifiers")
    people = workspace.people
    if kind not in {"id", "email", "cio_id", "phone"} or (kind == "email" and not people.email_identifies):
        return meta_error(400, "id_type is not an identifier of this workspace")
    found = [person for one in ids if (person := people.find(kind, one)) is not None]
    return as_json({"customers": [{"customer": _customer(person)} for person in found]})


def _customer(person: Person) -> dict[str, object]:
    own = {name: _text(value) for name, value in person.attributes.items()}
    identifiers = {"cio_id": person.cio_id, "created_at": str(person.created_at)}
    known = {"id": person.id, "email": person.email}
    identifiers |= {name: value for name, value in known.items() if value is not None}
    return {
        "id": person.id or "",
        "attributes": {**identifiers, **own},
        "timestamps": dict(person.changed_at),
        "unsubscribed": False,
        "devices": [],
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _activities(workspace: Workspace, query: dict[str, str]) -> SandboxReply:
    try:
        start, limit = int(query.get("start") or 0), min(int(query.get("limit") or 10), MOST_ACTIVITIES)
    except ValueError:
        return meta_error(400, "start or limit is not a number")
    failed = workspace.people.failed if query.get("type") == "failed_attribute_change" else ()
    page = list(islice(failed, start, start + limit))
    following = str(start + limit) if start + limit < len(failed) else ""
    return as_json({"activities": [_activity(one) for one in page], "next": following})


def _activity(change: FailedChange) -> dict[str, object]:
    person = change.person
    identifiers = {"id": person.id, "email": person.email, "cio_id": person.cio_id}
    return {
        "type": "failed_attribute_change",
        "customer_id": person.id or "",
        "customer_identifiers": identifiers,
        "timestamp": change.at,
        "data": {change.name: {"from": "", "to": change.value}},
    }
