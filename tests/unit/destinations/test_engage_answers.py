"""What each answer of Engage says of the event that was sent, and what a check of the keys is told."""

from __future__ import annotations

import msgspec
import pytest
from engage_cases import GOLDEN_HEADER, options

from hogline.destinations.base import Check, Unreachable
from hogline.destinations.engage import ENGAGE
from hogline.model import Answer, Operation, Refusal, Refused, Request, Response, Retry, Settled, Stop

EVENT = Operation("event", b'{"event":"clicked"}', path="/posthog")
NOW_S = 1_793_527_200.0


def answer(status: int, body: object = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ENGAGE.read_answer([EVENT], Response(status, named, raw), NOW_S)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("body", [b"", b"ok", b"{}", b"<html>"])
def test_a_success_accepts_the_event(status: int, body: bytes) -> None:
    assert answer(status, body) == Settled([None])


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "rejected the keys (401)"),
        (403, "rejected the keys (403)"),
        (301, "a redirect (301)"),
        (302, "a redirect (302)"),
        (307, "a redirect (307)"),
        (308, "a redirect (308)"),
        (404, "is not Engage's (404)"),
        (405, "is not Engage's (405)"),
    ],
)
def test_what_is_wrong_with_the_connection_stops_it_with_a_sentence(status: int, says: str) -> None:
    made = answer(status, {"error": "canary"})
    assert isinstance(made, Stop)
    assert says in made.reason
    assert "canary" not in made.reason


@pytest.mark.parametrize("status", [100, 408, 425, 429, 500, 501, 502, 503, 504, 522, 524, 599, 600])
def test_what_passes_is_tried_again(status: int) -> None:
    assert answer(status) == Retry(f"Engage returned {status}. Hogline keeps trying.", None, throttled=status == 429)


@pytest.mark.parametrize(
    ("header", "after_s"), [("7", 7), ("Sun, 01 Nov 2026 10:01:00 GMT", 60), ("soon", None), ("99999999", 3600)]
)
def test_retry_after_is_honoured(header: str, after_s: float | None) -> None:
    assert answer(429, retry_after=header) == Retry(
        "Engage returned 429. Hogline keeps trying.", after_s, throttled=True
    )


@pytest.mark.parametrize(
    ("status", "body", "reason", "message"),
    [
        (400, {"error": "The event has no name"}, "refused_400", "The event has no name"),
        (400, {"error": "invalid_event"}, "invalid_event", "invalid_event"),
        (400, {"error": "Invalid"}, "invalid", "Invalid"),
        (422, {"error": "ann@example.com"}, "refused_422", "ann@example.com"),
        (413, b"<html>", "refused_413", "Engage returned 413."),
        (402, b"", "refused_402", "Engage returned 402."),
        (409, {"error": ""}, "refused_409", "Engage returned 409."),
        (410, {"error": {"code": 5}}, "refused_410", "Engage returned 410."),
        (418, [], "refused_418", "Engage returned 418."),
        (499, b"[" * 100_000, "refused_499", "Engage returned 499."),
        (400, {"error": "m" * 9_000}, "refused_400", "m" * 500),
    ],
)
def test_an_event_that_is_refused_keeps_the_reason_that_engage_gives(
    status: int, body: object, reason: str, message: str
) -> None:
    assert answer(status, body) == Refused(Refusal(reason, message, "", EVENT.body))


async def check(status: int, body: bytes = b"", endpoint: str = "https://api.engage.so") -> Check:
    async def send(request: Request) -> Response:
        assert (request.method, request.body) == ("GET", b""), "a check has no effect"
        assert request.url == f"{endpoint}/v1/lists?limit=1"
        assert request.headers["authorization"] == GOLDEN_HEADER
        return Response(status, {}, body)

    return await ENGAGE.check(options(api_base_url=endpoint), send)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "outcome", "says"),
    [
        (200, "ok", "Engage accepts the public key. The first event will show whether the secret key works."),
        (401, "refused", "Check the public key and the secret key"),
        (403, "ok", "does not say whether the keys work (403)"),
        (404, "ok", "does not say whether the keys work (404)"),
        (405, "ok", "The first event will tell."),
        (301, "unreachable", "a redirect (301)"),
        (308, "unreachable", "API base URL should be https://api.engage.so"),
        (408, "unreachable", "Try again later"),
        (429, "unreachable", "Try again later"),
        (500, "unreachable", "Try again later"),
        (503, "unreachable", "Engage is not available (503)"),
    ],
)
@pytest.mark.parametrize("endpoint", ["https://api.engage.so", "http://127.0.0.1:8010"])
async def test_a_check_says_no_more_than_it_knows(status: int, outcome: str, says: str, endpoint: str) -> None:
    found = await check(status, b'{"error": "canary"}', endpoint)
    assert (found.outcome, found.workspace) == (outcome, None)
    assert says in found.sentence
    assert "canary" not in found.sentence


@pytest.mark.anyio
async def test_no_answer_names_the_cause_and_the_address() -> None:
    async def send(request: Request) -> Response:
        raise Unreachable("no connection")

    found = await ENGAGE.check(options(), send)
    assert found.outcome == "unreachable"
    assert "https://api.engage.so: no connection" in found.sentence
