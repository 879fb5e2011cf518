"""The capture routes of PostHog's SDKs: the token is in the body, and there is one response for all events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from hogline.posthog import Batch, CaptureHints, open_capture, read_envelope
from hogline.posthog.capture import TOKEN_KEYS, unknown_token
from hogline.sources.asgi import NO_CONTENT, Reply, RequestRejected, read_body
from hogline.sources.intake import Intake, bearer_token, encoding
from hogline.sources.routing import Request, Route

_EVENT_PATHS = ("/i/v0/e", "/e", "/track", "/capture")
_BATCH_PATHS = ("/batch", "/i/v0/ai/batch")
_QUERY_FIELDS = 50


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

    async def __call__(self, request: Request) -> Reply:
        intake = self._intake
        limits = intake.limits
        query = _query(request.query_string) if request.query_string else {}
        body = await read_body(request.receive, request.headers, self._body_bytes)
        hints = CaptureHints(
            content_type=request.header(b"content-type"),
            content_encoding=encoding(request),
            query=query,
            engage=self._engage,
        )
        shown = bearer_token(request)
        received_ms = intake.clock()

        def admits(text: bytes, fields: Mapping[str, str]) -> bool:
            tokens = (shown, *(fields[key] for key in TOKEN_KEYS if key in fields))
            return intake.tokens.occurs(text) or any(intake.tokens.kind(token) for token in tokens)

        def read(unpacked_bytes: int) -> Batch:
            envelope = open_capture(
                body, hints, admits=admits, unpacked_bytes=unpacked_bytes, batch_events=limits.batch_events
            )
            kind = intake.tokens.kind(envelope.token or shown)
            if kind is None:
                raise unknown_token()
            return read_envelope(envelope, received_ms, public=kind == "public")

        async with intake.reading(request, body, read, limits.unpacked_bytes(self._body_bytes)) as batch:
            reply = await intake.keep(request, batch)
        # A page that is being left cannot read an answer: `navigator.sendBeacon` says that it wants none.
        return NO_CONTENT if reply.status == 200 and query.get("beacon") == "1" else reply


def _query(query_string: bytes) -> dict[str, str]:
    """Raises `RequestRejected`."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise RequestRejected(400, f"The URL has more than {_QUERY_FIELDS} query fields.") from None
    return dict(pairs)
