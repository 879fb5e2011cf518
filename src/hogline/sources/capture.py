"""The capture routes of PostHog's SDKs: the token stands in the body, and the answer is one for all events."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from hogline.posthog import CaptureHints, open_capture, read_envelope
from hogline.sources.asgi import Answer, Refusal, problem, read_body
from hogline.sources.intake import WRONG_TOKEN, Intake, aside, encoding
from hogline.sources.routing import Request, Route

CAPTURE_PATHS = ("/i/v0/e", "/e", "/track", "/engage", "/capture", "/batch")
_QUERY_FIELDS = 50
_NO_TOKEN = problem(401, "The token is missing: send it as `api_key` or `token`.")


def capture_routes(intake: Intake) -> Iterable[Route]:
    capture = _Capture(intake)
    return [Route(path, ("GET", "POST"), capture, browsers=True) for path in CAPTURE_PATHS]


class _Capture:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, request: Request) -> Answer:
        intake = self._intake
        limits = intake.limits
        largest = limits.batch_body_bytes if request.path == "/batch" else limits.body_bytes
        body = await read_body(request.receive, request.headers, largest, limits)
        hints = CaptureHints(
            content_type=request.header(b"content-type"),
            content_encoding=encoding(request),
            query=_query(request.query_string) if request.query_string else {},
            engage=request.path == "/engage",
        )
        received_ms = intake.clock()
        envelope = await aside(
            body,
            open_capture,
            body,
            hints,
            unpacked_bytes=limits.unpacked_bytes,
            batch_events=limits.batch_events,
        )
        if envelope.token is None:
            return _NO_TOKEN
        if not intake.knows(envelope.token):
            return WRONG_TOKEN
        return await intake.keep(request, await aside(body, read_envelope, envelope, received_ms))


def _query(query_string: bytes) -> dict[str, str]:
    """Raises `Refusal`."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise Refusal(400, f"The address has more than {_QUERY_FIELDS} query fields.") from None
    return dict(pairs)
