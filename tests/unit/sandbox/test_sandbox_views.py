"""What can be looked at: people, requests, totals, and the page."""

import pytest
from sandbox_client import NOW, Client, event, identify

from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings

HOSTILE = "<script>alert('x')</script>\"&"


def test_people_can_be_found_and_listed_page_by_page() -> None:
    client = Client()
    client.accept(*(identify(f"u{n}", email=f"U{n}@b.co") for n in range(5)))
    pages = [client.get(f"/sandbox/people?limit=2&after={after}") for after in (0, 2, 4, 5)]
    assert [[person["id"] for person in found] for found in pages] == [["u0", "u1"], ["u2", "u3"], ["u4"], []]
    assert client.person(email="u3@B.co")["id"] == "u3"
    assert client.get("/sandbox/people?id=u3&email=u3@b.co")[0]["id"] == "u3"
    assert client.get("/sandbox/people?id=u3&email=u4@b.co") == client.get("/sandbox/people?id=U3") == []


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "limit=100001", "after=1.5", "after=²", "after=" + "9" * 30])
def test_a_page_that_cannot_be_is_refused_with_a_sentence(query: str) -> None:
    for view in ("people", "events"):
        reply = Client().request("GET", f"/sandbox/{view}?{query}")
        assert reply.status == 400
        assert "whole number" in reply.json["error"]


def test_requests_are_logged_with_their_size_and_what_came_of_them() -> None:
    client = Client()
    client.accept(event(), event())
    assert client.batch(event(), event("")).status == 207
    assert client.request("POST", "/api/v2/entity", event("")).status == 400
    client.request("POST", "/api/v1/customers/a%2Fb/events", b'{"name":"n"}')
    client.get("/api/v1/accounts/region")
    shown = client.get("/sandbox/requests")
    assert [(found["path"], found["status"], found["operations"]) for found in shown["requests"]] == [
        ("/api/v2/batch", 200, 2),
        ("/api/v2/batch", 207, 2),
        ("/api/v2/entity", 400, 1),
        ("/api/v1/customers/a%2Fb/events", 200, 1),
        ("/api/v1/accounts/region", 200, 0),
    ]
    last = shown["requests"][3]
    assert (last["time"], last["method"], last["bytes"], last["site_id"]) == (NOW, "POST", 12, "sandbox-site")
    totals = shown["totals"]
    assert totals.pop("bytes") == sum(found["bytes"] for found in shown["requests"])
    assert totals == {"requests": 5, "deliveries": 4, "operations": 6, "refused": 2, "unauthorized": 0}
    assert client.get("/sandbox/requests?workspace=sandbox-site")["requests"] == shown["requests"]


def test_only_the_last_thousand_requests_are_kept_one_by_one() -> None:
    client = Client()
    for _ in range(1_003):
        client.request("GET", "/api/v1/accounts/region")
    shown = client.get("/sandbox/requests")
    assert (len(shown["requests"]), shown["totals"]["requests"]) == (1_000, 1_003)


def test_the_summary_counts() -> None:
    client = Client()
    client.accept(event(), event(person="u2"))
    summary = client.get("/sandbox/summary")
    assert (summary["people"], summary["events"], summary["totals"]["operations"]) == (2, 2, 2)


def test_the_page_shows_people_with_attributes_and_latest_events_and_says_what_it_is() -> None:
    client = Client()
    client.accept(identify("u1", email="a@b.co", plan="pro", nested={"a": 1}), event("order completed", timestamp=0))
    client.accept(event("impossible time", timestamp=10**18), *(event(f"early {n}", "u2") for n in range(7)))
    reply = client.request("GET", "/")
    html = reply.body.decode()
    assert reply.headers["content-type"].startswith("text/html")
    for text in ("u1", "a@b.co", "pro", "{&quot;a&quot;: 1}", "order completed", "1970-01-01", "It emulates"):
        assert text in html
    assert "early 6" in html
    assert "early 1" not in html
    assert "prefers-color-scheme" in html


def test_the_page_escapes_whatever_it_is_sent_and_runs_no_script() -> None:
    client = Client(SandboxSettings(workspaces=(WorkspaceSettings(), WorkspaceSettings(site_id=HOSTILE))))
    client.accept({**identify(HOSTILE), "attributes": {HOSTILE: HOSTILE}}, event(HOSTILE, HOSTILE))
    reply = client.request("GET", "/")
    assert b"<script" not in reply.body
    assert b"&lt;script&gt;" in reply.body
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_an_empty_workspace_and_a_full_one_have_a_page() -> None:
    client = Client()
    assert "Nobody yet" in client.request("GET", "/").body.decode()
    client.accept(*(event(person=f"u{n}") for n in range(250)))
    assert "50 older" in client.request("GET", "/").body.decode()


@pytest.mark.parametrize(("method", "target"), [("POST", "/sandbox/reset"), ("PUT", "/sandbox/script")])
def test_another_sites_page_cannot_change_the_sandbox(method: str, target: str) -> None:
    client = Client()
    client.accept(event())
    assert client.request(method, target, {}, {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert len(client.events()) == 1
    assert client.request(method, target, {}, {"Sec-Fetch-Site": "same-origin"}).status == 200


def test_an_unknown_view_is_not_found() -> None:
    assert Client().request("GET", "/sandbox/nothing").json == {"error": "Not Found"}
