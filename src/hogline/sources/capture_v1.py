"""Capture v1: `POST /i/v1/analytics/events`. The token is in a header, and every event has its own result.

The form of answers is PostHog's: `{"results": {uuid: {"result": …}}}`, and for errors a word for machines beside the
sentence. Of the headers that PostHog asks for only the token is needed here: a proxy that takes the others away costs
no events.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from hogline.posthog import Unreadable
from hogline.posthog.capture_v1 import BatchV1, HintsV1, encode_outcomes, read_capture_v1
from hogline.sources.asgi import Header, Reply, RequestRejected, answer, read_body, reply_json
from hogline.sources.intake import BEARER, Intake, bearer_token, encoding
from hogline.sources.routing import Request, Route
from hogline.store.base import Unwritable

_PATH = "/i/v1/analytics/events"
_ABOUT = "https://posthog.com/docs/api/capture"
_RETRY_AFTER_S = 5
_ENCODINGS = ("", "identity", "gzip", "deflate", "br", "zstd")
_WORDS = {401: "invalid_api_token", 413: "payload_too_large", 503: "service_unavailable"}
_WORDS_OF_REASONS = {"empty": "empty_body", "empty_batch": "empty_batch", "not_gzip": "request_decoding_error"}


def capture_v1_routes(intake: Intake) -> Iterable[Route]:
    return [Route(_PATH, ("POST",), _CaptureV1(intake), browsers=True)]


class _CaptureV1:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, request: Request) -> Reply:
        try:
            reply = await self._answer(request)
        except RequestRejected as refusal:
            reply = _failure(refusal.status, refusal.sentence, headers=refusal.headers)
        except Unreadable as wrong:
            reply = _unreadable(wrong, encoding(request))
        except Unwritable as full:
            reply = _failure(503, str(full), retry_after_s=full.retry_after_s)
        return Reply(reply.status, reply.body, (*reply.headers, *_same_id(request)))

    async def _answer(self, request: Request) -> Reply:
        intake = self._intake
        limits = intake.limits
        token = bearer_token(request)
        if not token:
            sentence = "The token is missing. Send it as `Authorization: Bearer <token>`."
            return _failure(401, sentence, "missing_authorization", headers=BEARER)
        kind = intake.tokens.kind(token)
        if kind is None:
            return _failure(401, "Unknown token. Run `hogline token` to see the right one.", headers=BEARER)
        body = await read_body(request.receive, request.headers, limits.batch_body_bytes)
        received_ms = intake.clock()
        hints = HintsV1(
            token,
            content_encoding=encoding(request),
            sdk=request.header(b"posthog-sdk-info"),
            sent_at=request.header(b"posthog-request-timestamp"),
        )

        def read(unpacked_bytes: int) -> BatchV1:
            return read_capture_v1(
                body,
                received_ms,
                hints,
                public=kind == "public",
                unpacked_bytes=unpacked_bytes,
                batch_events=limits.batch_events,
            )

        async with intake.reading(request, body, read, limits.unpacked_bytes(limits.batch_body_bytes)) as found:
            await intake.append(request, found.batch)
        return answer(200, encode_outcomes(found.outcomes))


def _unreadable(wrong: Unreadable, claimed: str) -> Reply:
    if wrong.reason == "not_json" and claimed not in _ENCODINGS:
        sentence = "The body is not JSON, and not compressed with gzip, deflate, br or zstd. Use one of these."
        return _failure(415, sentence, "unsupported_encoding")
    word = _WORDS.get(wrong.status) or _WORDS_OF_REASONS.get(wrong.reason, "request_parsing_error")
    return _failure(wrong.status, wrong.sentence, word)


def _failure(
    status: int, sentence: str, word: str = "", *, headers: Iterable[Header] = (), retry_after_s: int = _RETRY_AFTER_S
) -> Reply:
    """An error in PostHog's form. What may be tried again says when."""
    again = ((b"retry-after", b"%d" % retry_after_s),) if status == 503 else ()
    told = {"error": word or _WORDS[status], "error_description": sentence, "error_uri": _ABOUT}
    return reply_json(status, told, (*headers, *again))


def _same_id(request: Request) -> tuple[Header, ...]:
    """The sender's own id for its request, if it is one."""
    shown = request.header(b"posthog-request-id")
    try:
        UUID(shown)
    except ValueError:
        return ()
    return ((b"posthog-request-id", shown.encode("latin-1")),)
