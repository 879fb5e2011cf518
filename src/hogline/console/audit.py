"""The audit log as a page, and as JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import console_of, service_of, whole_number
from hogline.console.pages import page
from hogline.escaping import escaped_json
from hogline.service import Service
from hogline.service.audit_sentences import DEEDS, what_was_done
from hogline.store.audit import Wanted

ON_A_PAGE = 100
EXPORTED_AT_ONCE = 1_000


def _wanted(request: Request) -> Wanted:
    who, action, connection, person = (
        request.query_params.get(key, "").strip() for key in ("who", "action", "connection", "person")
    )
    return Wanted(who=who, action=action, connection=connection, person=person)


async def audit(request: Request) -> Response:
    wanted, before = _wanted(request), request.query_params.get("before", "")
    found = await service_of(request).audit.newest(
        wanted, before=whole_number(before, "`before`") if before else None, limit=ON_A_PAGE + 1
    )
    return await page(
        request,
        "audit.html",
        entries=found[:ON_A_PAGE],
        more=len(found) > ON_A_PAGE,
        before=before,
        wanted=structs.asdict(wanted) | {"since_ms": ""},
        deeds=DEEDS,
        what_was_done=what_was_done,
        days=console_of(request).settings.audit_retention_days,
    )


async def export(request: Request) -> StreamingResponse:
    """A line of JSON for each entry, oldest first, as `hogline audit --json` prints them."""
    service, wanted = service_of(request), _wanted(request)
    first = await service.audit.since(wanted, limit=EXPORTED_AT_ONCE)  # first, so an error still gets its own response
    return StreamingResponse(
        _exported(service, wanted, [msgspec.json.encode(entry) for entry in first], first[-1].number if first else 0),
        media_type="application/jsonl",
        headers={"content-disposition": 'attachment; filename="audit.jsonl"'},
    )


async def _exported(service: Service, wanted: Wanted, lines: list[bytes], last: int) -> AsyncIterator[str]:
    while lines:
        yield "".join(f"{escaped_json(line.decode())}\n" for line in lines)
        found = await service.audit.since(wanted, after=last, limit=EXPORTED_AT_ONCE)
        lines, last = [msgspec.json.encode(entry) for entry in found], found[-1].number if found else last


ROUTES = [
    Route("/audit", audit, methods=["GET"], name="audit"),
    Route("/audit/export", export, methods=["GET"], name="audit-export"),
]
