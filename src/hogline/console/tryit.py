"""Try it: what a connection would send for events, without sending them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.backfill.views import BadLine, PreviewedEvent
from hogline.console.context import connection_of, form_of, service_of
from hogline.console.pages import page
from hogline.console.picked import picked
from hogline.console.samples import SAMPLES
from hogline.console.shown import WORDS
from hogline.posthog.bounds import NotJson
from hogline.posthog.repair import decode

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


async def try_page(request: Request) -> Response:
    """Empty, or with an event that was picked: `sample`, `received` (its position) or `failure` (its id)."""
    connection, query = await connection_of(request), request.query_params
    text = SAMPLES[query["sample"]].text if query.get("sample") in SAMPLES else ""
    if not text:
        text = await picked(service_of(request), connection.name, query.get("received", ""), query.get("failure", ""))
    return await _page(request, text)


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
