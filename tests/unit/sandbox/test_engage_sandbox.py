"""The sandbox's Engage: what it takes and refuses, what can be looked at, and that it can be told to fail."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import aiohttp
import pytest
from sandbox_client import NOW, Client, Reply
from sandbox_client import event as customerio_event

from hogline.sandbox.script import Script, ScriptedAnswer
from hogline.sandbox.server import Sandbox
from hogline.sandbox.settings import EngageSettings, SandboxSettings

HOSTILE = "<script>alert('x')</script>\"&"


def posted(number: int = 1, **fields: object) -> dict[str, object]:
    return {
        "uuid": f"0199f3a0-0000-7000-8000-{number:012d}",
        "event": "order",
        "distinct_id": "u1",
        "properties": {"n": number},
        "timestamp": "2026-11-01T10:00:00.000Z",
        "elements_chain": "",
        "url": "",
    } | fields


class Engage(Client):
    def __init__(self, settings: SandboxSettings | None = None) -> None:
        super().__init__(settings)
        self.credentials = ("sandbox-public", "sandbox-secret")

    def post(self, body: object) -> Reply:
        return self.request("POST", "/posthog", body)

    def came(self, query: str = "") -> list[Any]:
        return list(self.get(f"/sandbox/engage/events{query}"))

    def told(self, script: object) -> None:
        assert self.request("PUT", "/sandbox/engage/script", script).status == 200


def test_an_event_is_kept_as_it_came_and_counted_for_its_user() -> None:
    engage = Engage()
    assert engage.post(posted()).status == 200
    assert engage.post(posted(2, event="paid", captured_at=None)).status == 200
    assert engage.came() == [
        {
            "sequence": number,
            "uuid": sent["uuid"],
            "name": sent["event"],
            "distinct_id": "u1",
            "timestamp": "2026-11-01T10:00:00.000Z",
            "received_at": NOW,
            "body": sent,
            "repeats": 0,
            "altered": 0,
        }
        for number, sent in ((1, posted()), (2, posted(2, event="paid", captured_at=None)))
    ]
    assert engage.get("/sandbox/engage/users") == [{"distinct_id": "u1", "events": 2, "last_event": "paid"}]


def test_a_repeat_is_counted_and_one_that_says_something_else_is_noticed() -> None:
    engage = Engage()
    for sent in (posted(), posted(), posted(event="other")):
        assert engage.post(sent).status == 200
    (event,) = engage.came()
    assert (event["name"], event["repeats"], event["altered"]) == ("order", 2, 1)
    summary = engage.get("/sandbox/engage/summary")
    assert (summary["users"], summary["events"], summary["repeats"], summary["altered"]) == (1, 1, 2, 1)


@pytest.mark.parametrize("target", [("POST", "/posthog"), ("GET", "/v1/lists"), ("GET", "/v1/anything")])
@pytest.mark.parametrize(
    "keys", [("sandbox-public", "wrong"), ("wrong", "sandbox-secret"), ("sandbox-site", "sandbox-key")]
)
def test_wrong_keys_are_unauthorized(target: tuple[str, str], keys: tuple[str, str]) -> None:
    engage = Engage()
    engage.credentials = keys
    reply = engage.request(*target, posted())
    assert (reply.status, reply.json) == (401, {"error": "Unauthorized"})
    assert engage.came() == []
    assert engage.get("/sandbox/engage/requests")["totals"]["unauthorized"] == 1


def test_the_keys_can_be_set_and_are_not_those_of_customerio() -> None:
    engage = Engage(SandboxSettings(engage=EngageSettings(public_key="PUBLIC_KEY", secret_key="PRIVATE_KEY")))
    golden = {"authorization": "Basic UFVCTElDX0tFWTpQUklWQVRFX0tFWQ=="}
    assert engage.request("POST", "/posthog", posted(), golden).status == 200
    assert engage.post(posted()).status == 401
    assert engage.request("POST", "/api/v2/batch", {"batch": [customerio_event()]}, golden).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 5_000,
        [],
        [posted()],
        *({name: value for name, value in posted().items() if name != left_out} for left_out in posted()),
        *(posted() | {name: wrong} for name in posted() for wrong in (None, 5)),
        posted(uuid=" "),
        posted(event=""),
        posted(distinct_id=""),
        posted(timestamp="yesterday"),
        posted(properties=[]),
    ],
    ids=lambda body: str(body)[:60],
)
def test_what_is_no_event_of_posthogs_webhook_is_refused_with_a_sentence(body: object) -> None:
    engage = Engage()
    reply = engage.post(body)
    assert reply.status == 400
    assert reply.json["error"].endswith(".")
    assert engage.came() == []
    assert engage.get("/sandbox/engage/summary")["totals"]["refused"] == 1


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/lists?limit=1", 200),
        ("POST", "/v1/lists", 405),
        ("GET", "/posthog", 405),
        ("GET", "/v1/users", 404),
    ],
)
def test_only_the_two_routes_are_there(method: str, target: str, status: int) -> None:
    engage = Engage()
    assert engage.request(method, target).status == status
    assert engage.came() == []


def test_more_than_it_is_willing_to_read_is_refused() -> None:
    assert Engage().post(b" " * 16_000_001).status == 413


@pytest.mark.parametrize(
    ("answer", "status", "body", "events"),
    [
        ({"status": 500}, 500, b'{"error":"Internal Server Error"}', 0),
        ({"status": 522}, 522, b'{"error":"Status 522"}', 0),
        ({"status": 500, "apply": "before"}, 500, b'{"error":"Internal Server Error"}', 1),
        ({"status": 200}, 200, b"{}", 0),
        ({"status": 204}, 204, b"", 0),
        ({"status": 502, "body": "<html>"}, 502, b"<html>", 0),
        ({"status": 422, "body": {"error": "bad_event"}}, 422, b'{"error":"bad_event"}', 0),
        ({"hang_s": 0.001}, 200, b"{}", 1),
        ({"drip_s": 0.001}, 200, b"{}", 1),
        ({"refuse_names": ["order"]}, 400, b'{"error":"refused by the sandbox\'s script"}', 0),
        ({"refuse_names": ["u1"]}, 400, b'{"error":"refused by the sandbox\'s script"}', 0),
        ({"refuse_names": ["u2"]}, 200, b"{}", 1),
    ],
)
def test_it_can_be_told_what_to_answer_and_whether_that_takes_effect(
    answer: dict[str, object], status: int, body: bytes, events: int
) -> None:
    engage = Engage()
    engage.told({"answers": [answer]})
    reply = engage.post(posted())
    assert (reply.status, reply.body) == (status, body)
    assert int(reply.headers["content-length"]) == len(body)
    assert len(engage.came()) == events
    (request,) = engage.get("/sandbox/engage/requests")["requests"]
    assert (request["method"], request["path"], request["status"], request["operations"]) == (
        "POST",
        "/posthog",
        status,
        1,
    )
    assert engage.post(posted(2)).status == 200


def test_its_script_is_its_own_and_what_is_left_of_it_can_be_seen() -> None:
    engage = Engage()
    engage.told({"answers": [{"status": 429, "headers": {"Retry-After": "7"}, "times": 3}]})
    assert engage.post(posted()).headers["retry-after"] == "7"
    assert engage.get("/sandbox/engage/script")["answers"] == [
        {"status": 429, "headers": {"Retry-After": "7"}, "times": 2}
    ]
    assert engage.get("/sandbox/script")["answers"] == []


def test_a_check_of_the_keys_is_only_scripted_by_its_path() -> None:
    engage = Engage()
    engage.told({"answers": [{"status": 500}, {"status": 401, "path": "/v1/lists"}]})
    assert [engage.request("GET", "/v1/lists").status for _ in range(2)] == [401, 200]
    assert engage.post(posted()).status == 500


def test_too_many_events_are_told_to_wait() -> None:
    engage = Engage()
    engage.told({"requests_per_second": 1})
    replies = [engage.post(posted(number)) for number in range(3)]
    limited = next(reply for reply in replies if reply.status == 429)
    assert limited.headers["retry-after"] == "1"
    assert engage.request("GET", "/v1/lists").status == 200
    assert len(engage.came()) == sum(reply.status == 200 for reply in replies)


def test_nonsense_and_other_sites_cannot_script_it() -> None:
    engage = Engage()
    assert engage.request("PUT", "/sandbox/engage/script", b"{").status == 400
    assert engage.request("PUT", "/sandbox/engage/script", {}, {"Sec-Fetch-Site": "cross-site"}).status == 403


def test_events_and_users_are_listed_page_by_page() -> None:
    engage = Engage()
    for number in range(5):
        engage.post(posted(number, distinct_id=f"u{number % 2}"))
    assert [event["sequence"] for event in engage.came("?limit=2&after=2")] == [3, 4]
    assert [event["sequence"] for event in engage.came("?distinct_id=u1")] == [2, 4]
    assert [user["distinct_id"] for user in engage.get("/sandbox/engage/users?limit=1&after=1")] == ["u1"]
    assert engage.came("?after=5") == []
    assert engage.request("GET", "/sandbox/engage/events?limit=x").status == 400


@pytest.mark.parametrize("bounded", [{"kept_events": 2}, {"kept_bytes": 400}])
def test_only_the_last_events_are_kept_and_all_are_counted(bounded: dict[str, int]) -> None:
    engage = Engage(SandboxSettings(**bounded))  # type: ignore[arg-type]
    for number in range(1, 6):
        assert engage.post(posted(number)).status == 200
    assert [event["sequence"] for event in engage.came()] == [4, 5]
    assert [event["sequence"] for event in engage.came("?after=4")] == [5]
    assert engage.get("/sandbox/engage/users")[0]["events"] == 5
    engage.post(posted(1))
    assert engage.came()[-1]["sequence"] == 6, "what is forgotten is no repeat"


def test_a_reset_forgets_engage_too_and_one_of_a_workspace_does_not() -> None:
    engage = Engage()
    engage.post(posted())
    engage.request("POST", "/sandbox/reset?workspace=sandbox-site")
    assert len(engage.came()) == 1
    engage.told({"answers": [{"status": 500}]})
    engage.request("POST", "/sandbox/reset")
    assert engage.came() == engage.get("/sandbox/engage/users") == []
    engage.post(posted())
    assert engage.came()[0]["sequence"] == 1


def test_the_page_shows_what_came_escaped_and_runs_no_script() -> None:
    engage = Engage()
    assert "Nothing yet" in engage.request("GET", "/engage").body.decode()
    engage.post(posted(event=HOSTILE, distinct_id=HOSTILE, properties={HOSTILE: HOSTILE, "big": 10**30}))
    reply = engage.request("GET", "/engage")
    html = reply.body.decode()
    assert reply.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 3
    for number in range(2, 252):
        engage.post(posted(number))
    assert "51 older" in engage.request("GET", "/engage").body.decode()


def test_what_hangs_does_not_keep_the_sandbox_from_stopping() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            async with Sandbox() as sandbox:
                sandbox.app.engage.director.follow(Script(answers=[ScriptedAnswer(hang_s=600)]))
                hanging = asyncio.create_task(_status(session, f"{sandbox.url}/posthog"))
                while not sandbox.app.engage.log.totals.requests:
                    await asyncio.sleep(0)
            assert await hanging == 200

    asyncio.run(asyncio.wait_for(main(), 10))


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    auth = {"authorization": "Basic " + b64encode(b"sandbox-public:sandbox-secret").decode()}
    async with session.post(url, json=posted(), headers=auth) as reply:
        return reply.status


def test_both_pages_lead_to_each_other() -> None:
    engage = Engage()
    assert 'href="/engage"' in engage.request("GET", "/").body.decode()
    assert 'href="/"' in engage.request("GET", "/engage").body.decode()
