"""The capture routes of PostHog's SDKs: the token stands in the body, and the answer is one for all events."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from hogline.posthog import CaptureHints, open_capture, read_envelope
from hogline.sources.asgi import NO_CONTENT, Answer, Refusal, problem, read_body
from hogline.sources.intake import WRONG_TOKEN, Intake, aside, encoding
from hogline.sources.routing import Request, Route

_EVENT_PATHS = ("/i/v0/e", "/e", "/track", "/capture")
_BATCH_PATHS = ("/batch", "/i/v0/ai/batch")
_QUERY_FIELDS = 50
_NO_TOKEN = problem(401, "The token is missing: send it as `api_key` or `token`.")


def capture_routes(intake: Intake) -> Iterable[Route]:
    limits = intake.limits
    one = _Capture(intake, limits.body_bytes)
    many = _Capture(intake, limits.batch_body_bytes)
    engage = _Capture(intake, limits.body_bytes, engage=True)
    handlers = {**dict.fromkeys(_EVENT_PATHS, one), **dict.fromkeys(_BATCH_PATHS, many), "/engage": engage}
    return [Route(path, ("GET", "POST"), handler, browsers=True) for path, handler in handlers.items()]


class _Capture:
    def __init__(self, intake: Intake, body_bytes: int, *, engage: bool = False) -> None:
        self._intake = intake
        self._body_bytes = body_bytes
        self._engage = engage

    async def __call__(self, request: Request) -> Answer:
        intake = self._intake
        limits = intake.limits
        query = _query(request.query_string) if request.query_string else {}
        body = await read_body(request.receive, request.headers, self._body_bytes, limits)
        hints = CaptureHints(
            content_type=request.header(b"content-type"),
            content_encoding=encoding(request),
            query=query,
            engage=self._engage,
        )
        received_ms = intake.clock()
        envelope = await aside(
            body,
            open_capture,
            body,
            hints,
            unpacked_bytes=limits.unpacked_bytes(self._body_bytes),
            batch_events=limits.batch_events,
        )
        if envelope.token is None:
            return _NO_TOKEN
        if not intake.knows(envelope.token):
            return WRONG_TOKEN
        reply = await intake.keep(request, await aside(body, read_envelope, envelope, received_ms))
        # A page that is being left cannot read an answer: `navigator.sendBeacon` says that it wants none.
        return NO_CONTENT if reply.status == 200 and query.get("beacon") == "1" else reply


def _query(query_string: bytes) -> dict[str, str]:
    """Raises `Refusal`."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise Refusal(400, f"The address has more than {_QUERY_FIELDS} query fields.") from None
    return dict(pairs)
