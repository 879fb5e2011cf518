"""What is answered when something cannot be answered: a page, or JSON to programs (`/api/…`).

The sentences are ours and contain nothing from the request.
"""

from __future__ import annotations

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hogline.console.pages import page
from hogline.service import CannotDo
from hogline.service.rights import Forbidden
from hogline.store.base import Unusable, Unwritable
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.console")

TITLES = {
    400: "Bad request",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not supported",
    409: "Conflict",
    413: "Too large",
    421: "Unknown host name",
    422: "Not possible",
    429: "Too many requests",
    500: "Internal error",
    503: "Temporarily unavailable",
}
SENTENCES = {
    403: "The request did not come from one of the console's own pages.",
    404: "There is no page at this address.",
    405: "This page does not support that kind of request.",
    500: "The log has the details. Please report this bug. Nothing was lost.",
}


async def error_answer(
    request: Request, status: int, sentence: str = "", headers: dict[str, str] | None = None
) -> Response:
    sentence = sentence or SENTENCES.get(status, "Hogline cannot handle this request.")
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": {"message": sentence}}, status, headers)
    title = TITLES.get(status, "Something went wrong")
    response = await page(request, "error.html", status=status, title=title, sentence=sentence, code=status)
    response.headers.update(headers or {})
    response.headers["x-error"] = str(status)
    """Says to static/updates.js that this is no page whose parts it could take."""
    return response


async def http_exception(request: Request, error: Exception) -> Response:
    """For `HTTPException`; its detail, where it has one of ours, is the sentence."""
    if not isinstance(error, HTTPException):
        raise error
    own = "" if error.status_code in SENTENCES and _is_phrase(error.detail) else error.detail
    return await error_answer(request, error.status_code, own, dict(error.headers or {}))


async def cannot_do(request: Request, error: Exception) -> Response:
    """For `CannotDo`: what was asked cannot be done."""
    return await error_answer(request, 422, str(error))


async def disk_trouble(request: Request, error: Exception) -> Response:
    return await error_answer(request, 503, str(error), {"retry-after": "5"})


async def internal_error(request: Request, error: Exception) -> Response:
    """For whatever nobody thought of. Its text may quote an event: only its kind and place are logged."""
    log.error("page failed", error=kind_and_place(error))
    request.state.session = None  # a page without what asks the service: that may be what failed
    return await error_answer(request, 500)


async def forbidden(request: Request, error: Exception) -> Response:
    """For `Forbidden`: the account's role does not allow this."""
    return await error_answer(request, 403, str(error))


HANDLERS = {
    HTTPException: http_exception,
    CannotDo: cannot_do,
    Forbidden: forbidden,
    Unusable: disk_trouble,
    Unwritable: disk_trouble,
}


def _is_phrase(detail: str) -> bool:
    """Whether it is HTTP's own short phrase, such as “Not Found”."""
    return not detail.endswith(".")
