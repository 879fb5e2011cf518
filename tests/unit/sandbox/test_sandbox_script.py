"""A sandbox can be told to be slow, to limit, to fail, and to refuse by name; nonsense is refused."""

from typing import Any

import pytest
from sandbox_client import Client, act, event, identify

from hogline.sandbox import wire
from hogline.sandbox.script import Director, Script


def test_scripted_answers_are_used_up_one_by_one() -> None:
    client = Client()
    script = {"answers": [{"status": 503, "times": 2}, {"status": 429, "headers": {"Retry-After": "7"}}]}
    assert client.script(script).status == 200
    replies = [client.batch(event()) for _ in range(4)]
    assert [reply.status for reply in replies] == [503, 503, 429, 200]
    assert replies[0].json == {"meta": {"error": "Service Unavailable"}}
    assert replies[2].headers["retry-after"] == "7"
    assert len(client.events()) == 1


def test_what_is_left_of_the_script_can_be_seen() -> None:
    client = Client()
    client.script({"latency_ms": 0, "answers": [{"status": 503, "times": 3}]})
    client.batch(event())
    assert client.get("/sandbox/script") == {
        "latency_ms": 0.0,
        "requests_per_second": None,
        "answers": [{"status": 503, "times": 2}],
    }


@pytest.mark.parametrize(
    ("answer", "status", "body", "events"),
    [
        ({"status": 500}, 500, b'{"meta":{"error":"Internal Server Error"}}', 0),
        ({"status": 522}, 522, b'{"meta":{"error":"Status 522"}}', 0),
        ({"status": 500, "apply": "before"}, 500, b'{"meta":{"error":"Internal Server Error"}}', 2),
        ({"status": 200}, 200, b"{}", 0),
        ({"status": 204}, 204, b"", 0),
        ({"status": 502, "body": "<html>"}, 502, b"<html>", 0),
        ({"status": 400, "body": {"errors": []}}, 400, b'{"errors":[]}', 0),
        ({"status": 200, "body": {"errors": []}, "apply": "before"}, 200, b'{"errors":[]}', 2),
        ({"hang_s": 0.001}, 200, b"{}", 2),
        ({"drip_s": 0.001}, 200, b"{}", 2),
        ({"refuse_names": []}, 200, b"{}", 2),
    ],
)
def test_an_answer_says_what_is_said_and_whether_it_takes_effect(
    answer: dict[str, object], status: int, body: bytes, events: int
) -> None:
    client = Client()
    client.script({"answers": [answer]})
    reply = client.batch(event(), event())
    assert (reply.status, reply.body) == (status, body)
    assert int(reply.headers["content-length"]) == len(body)
    assert len(client.events()) == events
    (request,) = client.get("/sandbox/requests")["requests"]
    assert (request["status"], request["operations"]) == (status, 2)


@pytest.mark.parametrize("name", ["bad", "somebody", "a@b.co"])
def test_operations_are_refused_by_the_names_of_events_or_people(name: str) -> None:
    client = Client()
    client.script({"answers": [{"refuse_names": [name]}]})
    by_name = {
        "bad": event("bad"),
        "somebody": identify("somebody", plan="pro"),
        "a@b.co": act("event", {"email": "a@b.co"}, name="n"),
    }
    reply = client.batch(event("good"), by_name[name], event("good"))
    assert reply.status == 207
    assert [error["batch_index"] for error in reply.json["errors"]] == [1]
    assert [found["name"] for found in client.events()] == ["good", "good"]


def test_names_are_refused_alone_too() -> None:
    client = Client()
    client.script({"answers": [{"refuse_names": ["bad"], "times": 2}]})
    assert client.request("POST", "/api/v2/entity", event("bad")).status == 400
    assert client.request("POST", "/api/v1/customers/u1/events", {"name": "bad"}).status == 400
    assert client.events() == []


def test_the_region_check_is_only_scripted_by_its_path() -> None:
    client = Client()
    client.script({"answers": [{"status": 500}, {"status": 502, "path": "/api/v1/accounts"}]})
    region = "/api/v1/accounts/region"
    assert [client.request("GET", region).status for _ in range(2)] == [502, 200]
    assert client.batch(event()).status == 500


def test_an_answer_for_a_path_waits_for_it() -> None:
    client = Client()
    client.script({"answers": [{"status": 500, "path": "/api/v1/"}]})
    assert client.batch(event()).status == 200
    assert client.request("PUT", "/api/v1/customers/u1", {}).status == 500


def test_too_many_requests_are_told_to_wait() -> None:
    client = Client()
    client.script({"requests_per_second": 1})
    replies = [client.batch(event()) for _ in range(3)]
    assert 429 in {reply.status for reply in replies}
    limited = next(reply for reply in replies if reply.status == 429)
    assert limited.headers["retry-after"] == "1"
    assert client.request("GET", "/api/v1/accounts/region").status == 200
    assert len(client.events()) == sum(reply.status == 200 for reply in replies)


def test_the_rate_is_counted_within_each_second() -> None:
    director = Director()
    director.follow(Script(requests_per_second=2))
    times = [10.0, 10.5, 10.9, 11.0, 11.1, 11.2, 9.0]
    assert [director.exceeds_rate(now) for now in times] == [False, False, True, False, False, True, False]


def test_latency_delays_deliveries_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(seconds: float, _: object) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(wire, "pause", pause)
    client = Client()
    client.script({"latency_ms": 30, "answers": [{"hang_s": 2}]})
    client.get("/api/v1/accounts/region")
    assert pauses == []
    client.accept(event())
    client.accept(event())
    assert pauses == [2.03, 0.03]


@pytest.mark.parametrize(
    "script",
    [
        b"{",
        b"\xff",
        b"[" * 5_000,
        b" " * 1_000_001,
        [],
        {"latency": 1},
        {"latency_ms": -1},
        {"latency_ms": 60_001},
        {"latency_ms": "1"},
        {"requests_per_second": 0},
        {"requests_per_second": 1.5},
        {"answers": [{"status": 100}]},
        {"answers": [{"status": 600}]},
        {"answers": [{"times": 0}]},
        {"answers": [{"times": 1_000_001}]},
        {"answers": [{"apply": "after"}]},
        {"answers": [{"reset": "now"}]},
        {"answers": [{"hang_s": 601}]},
        {"answers": [{"drip_s": -1}]},
        {"answers": [{"refuse_names": "bad"}]},
        {"answers": [{"headers": {"a b": "x"}}]},
        {"answers": [{"headers": {"a": "x\r\ny: z"}}]},
        {"answers": [{"sleep": 1}]},
        {"answers": [{}] * 1_001},
    ],
    ids=lambda script: str(script)[:40],
)
def test_a_script_that_makes_no_sense_is_refused_and_changes_nothing(script: Any) -> None:
    client = Client()
    before = client.get("/sandbox/script")
    reply = client.script(script)
    assert reply.status in {400, 413}
    assert reply.json["error"]
    assert client.get("/sandbox/script") == before


def test_a_reset_forgets_everything() -> None:
    client = Client()
    client.accept(event())
    client.script({"answers": [{"status": 500}]})
    assert client.request("POST", "/sandbox/reset").status == 200
    assert client.people() == client.events() == client.get("/sandbox/requests")["requests"] == []
    client.accept(event())
    assert client.events()[0]["sequence"] == 1
