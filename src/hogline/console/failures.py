"""Failures: by reason, one of them whole; sending them again, discarding and exporting them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import connection_of, form_of, require_right, service_of, whole_number
from hogline.console.pages import go, page
from hogline.console.shown import WORDS
from hogline.reasons import SENDING_STATES
from hogline.service import CannotDo, Service
from hogline.views import ConnectionStatus, ConnectionView

ON_A_PAGE = 50
EXPORTED_AT_ONCE = 200
HIGHEST_ID = 2**63 - 1


class Chosen(msgspec.Struct, frozen=True):
    """Which failures are meant: one, those of a reason, or all."""

    id: int | None = None
    reason: str = ""

    @property
    def ids(self) -> list[int] | None:
        return None if self.id is None else [self.id]


def chosen(values: FormData | QueryParams) -> Chosen:
    """What a form or a link says. Raises `HTTPException` 400."""
    text = str(values.get("id", ""))
    return Chosen(whole_number(text, "A failure's id") if text else None, str(values.get("reason", "")))


async def failures(request: Request) -> Response:
    connection, service = await connection_of(request), service_of(request)
    reason, after = request.query_params.get("reason", ""), _number(request.query_params.get("after", ""))
    found = await service.failures(connection.name, reason=reason, after=after, limit=ON_A_PAGE + 1)
    return await page(
        request,
        "failures.html",
        connection=connection,
        section="failures",
        counts=(await _status(service, connection)).failures,
        failures=found[:ON_A_PAGE],
        more=len(found) > ON_A_PAGE,
        reason=reason,
        after=after,
        retrying=await service.retrying_failures(connection.name),
        **WORDS,
    )


def _number(text: str) -> int:
    return whole_number(text, "`after`") if text else 0


async def _status(service: Service, connection: ConnectionView) -> ConnectionStatus:
    return next(one for one in (await service.status()).connections if one.name == connection.name)


async def failure(request: Request) -> Response:
    connection, id_ = await connection_of(request), request.path_params["id"]
    if not (id_.isascii() and id_.isdigit()):
        raise HTTPException(404)
    try:
        details = await service_of(request).failure(connection.name, int(id_) if len(id_) < 19 else HIGHEST_ID)
    except CannotDo:
        raise HTTPException(404, "Failure not found. It was delivered or discarded.") from None
    return await page(
        request,
        "failure.html",
        connection=connection,
        section="failures",
        details=details,
        failure=details.failure,
        **WORDS,
    )


async def retry(request: Request) -> Response:
    connection, which = await connection_of(request), chosen(await form_of(request))
    n = await service_of(request).retry_failures(connection.name, reason=which.reason, ids=which.ids)
    return go(request, _list_url(request, connection), retried(n, connection))


def retried(n: int, connection: ConnectionView) -> str:
    """What happens now, in a sentence."""
    if not n:
        return "There was nothing to retry."
    what = f"{n:,} failure{'s' * (n != 1)}"
    if connection.state not in SENDING_STATES:
        return f"Retrying {what} once {connection.name} is sending again."
    return f"Retrying {what}. Delivered events leave this list; rejected ones stay."


async def discard_page(request: Request) -> Response:
    require_right(request, "discard_failures")
    connection, which = await connection_of(request), chosen(request.query_params)
    counts = (await _status(service_of(request), connection)).failures
    n = 1 if which.id is not None else counts.get(which.reason, 0) if which.reason else sum(counts.values())
    return await page(request, "discard.html", connection=connection, section="failures", which=which, n=n)


async def discard(request: Request) -> Response:
    connection, which = await connection_of(request), chosen(await form_of(request))
    n = await service_of(request).discard_failures(connection.name, reason=which.reason, ids=which.ids)
    said = f"Discarded {n:,} failure{'s' * (n != 1)}." if n else "There was nothing to discard."
    return go(request, _list_url(request, connection), said)


async def export(request: Request) -> StreamingResponse:
    """A line of JSON for each, as `hogline failures export` prints them."""
    connection, which = await connection_of(request), chosen(request.query_params)
    lines = _exported(service_of(request), connection.name, which.reason)
    name = f"failures-{connection.name}.jsonl"
    return StreamingResponse(
        lines, media_type="application/jsonl", headers={"content-disposition": f'attachment; filename="{name}"'}
    )


async def _exported(service: Service, connection: str, reason: str) -> AsyncIterator[bytes]:
    after = 0
    while found := await service.failures(connection, reason=reason, after=after, limit=EXPORTED_AT_ONCE):
        after = found[-1].id
        for one in found:
            try:
                details = await service.failure(connection, one.id)
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
