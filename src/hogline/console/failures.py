"""Failures: by reason, one of them whole; sending them again, discarding and exporting them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import connection_of, form_of, require_right, service_of, whole_number
from hogline.console.days import Days, days_of
from hogline.console.pages import go, page
from hogline.console.shown import WORDS
from hogline.reasons import SENDING_STATES
from hogline.service import CannotDo, Service
from hogline.views.connections import ConnectionView

ON_A_PAGE = 50
MOST_REASONS = 8
"""Of which the page says what they mean, if none is chosen."""
EXPORTED_AT_ONCE = 200
HIGHEST_ID = 2**63 - 1


class Chosen(msgspec.Struct, frozen=True):
    """Which failures are meant: one, or those of a reason and of some days, or all."""

    id: int | None = None
    reason: str = ""
    days: Days = Days()

    @property
    def ids(self) -> list[int] | None:
        return None if self.id is None else [self.id]

    @property
    def query(self) -> str:
        """For links to the same failures."""
        which = {"id": self.id, "reason": self.reason, "since": self.days.since, "until": self.days.until}
        return urlencode({name: value for name, value in which.items() if value not in {None, ""}})


def chosen(values: FormData | QueryParams) -> Chosen:
    """What a form or a link says. Raises `HTTPException` 400: days that are none must not widen what is meant."""
    text, days = str(values.get("id", "")), days_of(values)
    if days.problem:
        raise HTTPException(400, days.problem)
    return Chosen(whole_number(text, "A failure's id") if text else None, str(values.get("reason", "")), days)


async def failures(request: Request) -> Response:
    connection, service = await connection_of(request), service_of(request)
    reason, before = request.query_params.get("reason", ""), _number(request.query_params.get("before", ""))
    days = days_of(request.query_params)
    within = {"since_ms": days.since_ms, "until_ms": days.until_ms}
    counts = await service.failures.counts(connection.name, **within)
    found = await service.failures.find(
        connection.name, reason=reason, before=before or HIGHEST_ID, limit=ON_A_PAGE + 1, **within
    )
    newest = {}
    for each in [reason] if reason else sorted(counts, key=lambda each: -counts[each])[:MOST_REASONS]:
        if of_reason := await service.failures.find(connection.name, reason=each, before=HIGHEST_ID, limit=1, **within):
            newest[each] = of_reason[0]
    return await page(
        request,
        "failures.html",
        status=400 if days.problem else 200,
        connection=connection,
        section="failures",
        counts=counts,
        newest=newest,
        failures=found[:ON_A_PAGE],
        more=len(found) > ON_A_PAGE,
        reason=reason,
        days=days,
        before=before,
        retrying=await service.failures.retrying(connection.name),
        retried=await service.failures.retried(connection.name),
        link=lambda **which: urlencode({name: value for name, value in which.items() if value}),
        **WORDS,
    )


def _number(text: str) -> int:
    return whole_number(text, "`before`") if text else 0


async def failure(request: Request) -> Response:
    connection, id_ = await connection_of(request), request.path_params["id"]
    if not (id_.isascii() and id_.isdigit()):
        raise HTTPException(404)
    try:
        details = await service_of(request).failures.show(connection.name, int(id_) if len(id_) < 19 else HIGHEST_ID)
    except CannotDo:
        raise HTTPException(404, "Failure not found. It was delivered or discarded.") from None
    try:
        attempts = (await service_of(request).events.show(connection.name, details.failure.id)).attempts
    except CannotDo:  # the journal no longer has it
        attempts = []
    return await page(
        request,
        "failure.html",
        attempts=attempts,
        connection=connection,
        section="failures",
        details=details,
        failure=details.failure,
        **WORDS,
    )


async def retry(request: Request) -> Response:
    connection, which = await connection_of(request), chosen(await form_of(request))
    n = await service_of(request).failures.retry(
        connection.name,
        reason=which.reason,
        ids=which.ids,
        since_ms=which.days.since_ms,
        until_ms=which.days.until_ms,
    )
    return go(request, _list_url(request, connection), retried(n, connection))


def retried(n: int, connection: ConnectionView) -> str:
    """What happens now, in a sentence."""
    if not n:
        return "There was nothing to retry."
    what = f"{n:,} failure{'s' * (n != 1)}"
    if connection.state not in SENDING_STATES:
        return f"Retrying {what} once {connection.name} is sending again."
    return f"Retrying {what}."


async def discard_page(request: Request) -> Response:
    require_right(request, "failures.discard")
    connection, which = await connection_of(request), chosen(request.query_params)
    counts = await service_of(request).failures.counts(
        connection.name, since_ms=which.days.since_ms, until_ms=which.days.until_ms
    )
    n = 1 if which.id is not None else counts.get(which.reason, 0) if which.reason else sum(counts.values())
    return await page(request, "discard.html", connection=connection, section="failures", which=which, n=n)


async def discard(request: Request) -> Response:
    connection, which = await connection_of(request), chosen(await form_of(request))
    n = await service_of(request).failures.discard(
        connection.name,
        reason=which.reason,
        ids=which.ids,
        since_ms=which.days.since_ms,
        until_ms=which.days.until_ms,
    )
    said = f"Discarded {n:,} failure{'s' * (n != 1)}." if n else "There was nothing to discard."
    return go(request, _list_url(request, connection), said)


async def export(request: Request) -> StreamingResponse:
    """A line of JSON for each, as `hogline failures export` prints them."""
    connection, which = await connection_of(request), chosen(request.query_params)
    lines = _exported(service_of(request), connection.name, which)
    name = f"failures-{connection.name}.jsonl"
    return StreamingResponse(
        lines, media_type="application/jsonl", headers={"content-disposition": f'attachment; filename="{name}"'}
    )


async def _exported(service: Service, connection: str, which: Chosen) -> AsyncIterator[bytes]:
    after = 0
    while found := await service.failures.find(
        connection,
        reason=which.reason,
        after=after,
        since_ms=which.days.since_ms,
        until_ms=which.days.until_ms,
        limit=EXPORTED_AT_ONCE,
    ):
        after = found[-1].id
        for one in found:
            try:
                details = await service.failures.show(connection, one.id)
            except CannotDo:  # it was resolved a moment ago
                continue
            yield msgspec.json.encode(details) + b"\n"


def _list_url(request: Request, connection: ConnectionView) -> str:
    return str(request.app.url_path_for("failures", name=connection.name))


ROUTES = [
    Route("/connections/{name}/failures", failures, methods=["GET"], name="failures"),
    Route("/connections/{name}/failures/retry", retry, methods=["POST"], name="retry"),
    Route("/connections/{name}/failures/discard", discard_page, methods=["GET"], name="discard"),
    Route("/connections/{name}/failures/discard", discard, methods=["POST"]),
    Route("/connections/{name}/failures/export", export, methods=["GET"], name="export"),
    Route("/connections/{name}/failures/{id}", failure, methods=["GET"], name="failure"),
]
