"""Try it: what a connection would send for events, without sending them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.backfill.views import BadLine, PreviewedEvent
from hogline.console.context import connection_of, form_of, service_of
from hogline.console.pages import page
from hogline.console.samples import SAMPLES
from hogline.console.shown import WORDS
from hogline.posthog.bounds import NotJson
from hogline.posthog.repair import decode
from hogline.service import CannotDo, Service
from hogline.views.events import FailureDetails, ReceivedEvent

MOST_EVENTS = 200
"""More are for `hogline preview`."""
LAST_RECEIVED = 8


def lines(text: str) -> list[tuple[int, bytes]]:
    """The numbered JSON texts in what was pasted: one over several lines, else one in each."""
    whole = [(1, text.strip().encode(errors="replace"))]
    by_line = [
        (n, line.strip().encode(errors="replace")) for n, line in enumerate(text.splitlines(), 1) if line.strip()
    ]
    if _is_json(whole[0][1]):
        return whole
    # An error in a single document is reported once, not for each of its lines.
    return by_line if any(_is_json(line) for _, line in by_line if line.startswith((b"{", b"["))) else whole


def _is_json(text: bytes) -> bool:
    try:
        decode(text)
    except NotJson:
        return False
    return True


def as_sent(found: ReceivedEvent | FailureDetails) -> str:
    """An event that came in, as an SDK sends it."""
    if isinstance(found, ReceivedEvent):
        name, distinct_id, uuid = found.event, found.distinct_id, found.uuid
    else:
        name, distinct_id, uuid = found.failure.event, found.failure.distinct_id, found.failure.uuid
    event: dict[str, object] = {"event": name, "distinct_id": distinct_id, "uuid": uuid}
    with suppress(ValueError, OverflowError, OSError):  # a time far away: without one it is now
        event["timestamp"] = datetime.fromtimestamp(found.timestamp_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    event["properties"] = {**found.properties, **({"$set": found.set} if found.set else {})}
    return msgspec.json.format(msgspec.json.encode(event), indent=2).decode()


async def try_page(request: Request) -> Response:
    """Empty, or with an event that was picked: `sample`, `received` (its position) or `failure` (its id)."""
    connection, query = await connection_of(request), request.query_params
    text = SAMPLES[query["sample"]].text if query.get("sample") in SAMPLES else ""
    if not text:
        text = await _picked(service_of(request), connection.name, query.get("received", ""), query.get("failure", ""))
    return await _page(request, text)


async def _picked(service: Service, connection: str, position: str, failure: str) -> str:
    """The event that a link names; empty if it is gone."""
    if _is_number(position):
        found = await service.live.received(after=int(position) - 1, limit=1)
        return next((as_sent(event) for event in found if event.position == int(position)), "")
    if _is_number(failure):
        try:
            return as_sent(await service.failures.show(connection, int(failure)))
        except CannotDo:
            return ""
    return ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


async def try_it(request: Request) -> Response:
    connection, service = await connection_of(request), service_of(request)
    form = await form_of(request)
    text = str(form.get("events", ""))
    if not text.strip():
        return await _page(request, text, "Paste an event first, or choose a sample.")
    given = lines(text)
    if len(given) > MOST_EVENTS:
        return await _page(
            request,
            text,
            f"You can try up to {MOST_EVENTS} lines here. For larger files, use `hogline preview`.",
        )
    handle = await service.previews.begin(connection.name)
    try:
        events, bad = await service.previews.lines(handle, given)
    finally:
        await service.previews.end(handle)
    return await _page(request, text, _problem(bad, several=len(given) > 1), events)


def _problem(bad: list[BadLine], *, several: bool) -> str:
    """The sentences about what could not be read; empty if all could be."""
    return " ".join(f"Line {one.number}: {one.sentence}" if several else one.sentence for one in bad[:10])


async def _page(request: Request, text: str, problem: str = "", events: list[PreviewedEvent] | None = None) -> Response:
    connection = await connection_of(request)
    received = await service_of(request).live.received(limit=LAST_RECEIVED)
    return await page(
        request,
        "try.html",
        status=422 if problem else 200,
        connection=connection,
        section="try",
        text=text,
        problem=problem,
        events=events,
        samples=SAMPLES,
        received=received[::-1],
        **WORDS,
    )


ROUTES = [
    Route("/connections/{name}/try", try_page, methods=["GET"], name="try"),
    Route("/connections/{name}/try", try_it, methods=["POST"]),
]
