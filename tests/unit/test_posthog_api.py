"""PostHog's API for hog functions: what is asked, and what its answers mean in a sentence."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.destinations.base import Unreachable
from hogline.model import Request, Response
from hogline.posthog_api import PostHogApi, PostHogRefused, filters_for, inputs_for

KEY = "phx_a_personal_key"
WEBHOOK = "https://hogline.example.com/webhook"

pytestmark = pytest.mark.anyio


class Wire:
    def __init__(self, *answers: Response | Unreachable) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Unreachable):
            raise answer
        return answer


def api(wire: Wire, host: str = "eu", project: str = "42", key: str = KEY) -> PostHogApi:
    return PostHogApi(host, project, key, wire.send)


def answer(value: object, status: int = 200) -> Response:
    return Response(status, {}, msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("eu", "https://eu.posthog.com"),
        ("US", "https://us.posthog.com"),
        ("app.posthog.com", "https://us.posthog.com"),
        ("https://posthog.example.com/", "https://posthog.example.com"),
        ("posthog.example.com:8443", "https://posthog.example.com:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_a_host_is_a_region_a_name_or_an_address(host: str, url: str) -> None:
    assert api(Wire(), host).url == url


@pytest.mark.parametrize(
    ("host", "project", "key", "words"),
    [
        ("ftp://x", "42", KEY, "must be eu.posthog.com"),
        ("http://posthog.example.com", "42", KEY, "must be eu.posthog.com"),
        ("", "42", KEY, "must be eu.posthog.com"),
        ("https://eu.i.posthog.com", "42", KEY, "Use eu.posthog.com"),
        ("eu", "my project", KEY, "The project must be a number"),
        ("eu", "42", "", "personal API key is missing"),
        ("eu", "42", "phx_with\nnewline", "personal API key is missing"),
    ],
)
def test_what_cannot_work_is_not_tried(host: str, project: str, key: str, words: str) -> None:
    with pytest.raises(PostHogRefused, match=words):
        api(Wire(), host, project, key)


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (answer({}, 401), "does not know this personal API key"),
        (answer({"detail": "API key missing required scope 'hog_function:write'"}, 403), "needs the scopes"),
        (
            answer({"detail": "The Data Pipelines addon is required."}, 403),
            "does not allow it: The Data Pipelines addon",
        ),
        (answer({}, 404), "has no project 42"),
        (answer({}, 429), "Too many requests"),
        (Response(302, {}, b""), "redirects"),
        (Response(503, {}, b"<html>"), r"has a problem \(HTTP 503\)"),
        (
            answer({"attr": "inputs", "detail": "is\nwrong\x1b[31m"}, 400),
            r"rejected the request \(HTTP 400: inputs: is wrong\[31m\)",
        ),
        (Response(200, {}, b"<html>"), "does not look like PostHog"),
        (Unreachable("no connection"), "cannot be reached: no connection"),
    ],
)
async def test_a_refusal_is_a_sentence_without_the_key(response: Response | Unreachable, words: str) -> None:
    with pytest.raises(PostHogRefused, match=words) as refused:
        await api(Wire(response)).webhooks()
    assert KEY not in str(refused.value)


async def test_ours_is_found_by_where_it_sends_to() -> None:
    functions = [
        {"id": "a", "name": "Slack", "enabled": True, "inputs": {"url": {"value": "https://slack.example"}}},
        {"id": "b", "name": "no inputs", "enabled": True},
        {
            "id": "c",
            "name": "renamed",
            "enabled": False,
            "inputs": {"url": {"value": f"{WEBHOOK}/hog_old"}},
            "status": {"state": 3},
        },
    ]
    wire = Wire(answer({"results": functions}), answer({"results": functions}))
    found = await api(wire).find(WEBHOOK)
    assert found is not None
    assert (found.id, found.enabled, found.state) == ("c", False, "disabled")
    assert await api(wire).find("https://hogline.example.com/web") is None
    (asked, _) = wire.asked
    assert asked.url == "https://eu.posthog.com/api/projects/42/hog_functions/?type=destination&full=true&limit=200"
    assert asked.headers["authorization"] == f"Bearer {KEY}"


async def test_it_is_created_enabled_for_all_events_with_the_token_in_a_header() -> None:
    wire = Wire(answer({"id": "new", "enabled": True, "inputs": {"url": {"value": WEBHOOK}}}, 201))
    made = await api(wire).create(inputs_for(WEBHOOK, "hog_t"), filters_for(test_accounts=False))
    assert made.id == "new"
    body = msgspec.json.decode(wire.asked[0].body)
    assert (body["type"], body["template_id"], body["enabled"]) == ("destination", "template-webhook", True)
    assert body["inputs"]["url"] == {"value": WEBHOOK}
    assert body["inputs"]["headers"]["value"]["Authorization"] == "Bearer hog_t"
    assert body["filters"] == {
        "source": "events", "events": [], "actions": [], "properties": [], "filter_test_accounts": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "ok", "error"),
    [
        ({"status": "success", "logs": [{"level": "info", "message": "done"}]}, True, ""),
        ({"status": "error", "logs": [{"level": "error", "message": "HTTP fetch failed"}]}, False, "HTTP fetch failed"),
        ({"status": "success", "logs": [{"level": "error", "message": "status 401"}]}, False, "status 401"),
        ({"status": "skipped"}, False, "skipped"),
        ({}, False, "no status"),
    ],
)
async def test_an_invocation_went_well_only_if_nothing_speaks_against_it(said: object, ok: bool, error: str) -> None:  # noqa: FBT001  # a case
    webhook_in_posthog = {"id": "x", "enabled": True, "inputs": {"url": {"value": WEBHOOK}}}
    wire = Wire(answer({"results": [webhook_in_posthog]}), answer(webhook_in_posthog), answer(said))
    posthog = api(wire)
    webhook = await posthog.find(WEBHOOK)
    assert webhook is not None
    tried = await posthog.invoke(webhook, {"event": "test"})
    assert (tried.ok, tried.error) == (ok, error)
    asked = msgspec.json.decode(wire.asked[-1].body)
    assert asked["mock_async_functions"] is False
    assert asked["globals"]["event"] == {"event": "test"}


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
async def test_any_answer_is_borne(said: object) -> None:
    found = answer(said)
    with suppress(PostHogRefused):
        await api(Wire(found)).webhooks()
