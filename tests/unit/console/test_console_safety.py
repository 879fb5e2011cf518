"""What every page is safe from: other sites, foreign names, what stands in events, being asked for too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from console_bench import HOST, OWN, Browser, console_in
from service_bench import GOOD

from hogline.console.safety import MOST_BODY_BYTES, our_names
from hogline.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/connect-posthog", "/install/customerio", "/nothing", "/static/nothing", "/api/nothing"]
)
@pytest.mark.parametrize("signed_in", [True, False])
async def test_every_answer_carries_the_headers(browser: Browser, path: str, *, signed_in: bool) -> None:
    if not signed_in:
        browser.cookies.clear()
    headers = (await browser.get(path)).headers
    policy = headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


NAMES = [
    ("127.0.0.1:8001", True),
    ("localhost:8001", True),
    ("LOCALHOST", True),
    ("hogline.localhost:8001", True),
    ("[::1]:8001", True),
    ("192.168.1.20:8001", True),
    ("console.example.org", True),
    ("inside.example.org:8001", True),
    ("evil.example", False),
    ("127.0.0.1.evil.example", False),
    ("localhost.evil.example", False),
    ("console.example.org.evil.example", False),
    ("", False),
    ("[::1", False),
]


@pytest.mark.parametrize(("host", "ours"), NAMES)
def test_a_host_is_ours_if_it_is_an_address_loopback_or_a_name_from_the_settings(host: str, *, ours: bool) -> None:
    settings = Settings(console="inside.example.org:8001", console_url="https://console.example.org")
    assert our_names(settings)(host) == ours


async def test_a_page_elsewhere_whose_name_points_here_gets_nothing(browser: Browser) -> None:
    reply = await browser.get("/", host="evil.example")
    assert reply.status == 421
    assert "evil.example" not in reply.text
    assert "HOGLINE_CONSOLE_URL" in reply.text


UNSAFE = [
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "same-site"}, False),
    ({"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}, False),
    ({"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, False),
    ({"origin": f"http://{HOST}"}, True),
    ({"origin": "https://console.example.org"}, True),
    ({"origin": "http://127.0.0.1:9999"}, False),
    ({"origin": "https://evil.example"}, False),
    ({"origin": "https://evil.example", "authorization": "Bearer x"}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({}, False),
    ({"referer": f"http://{HOST}/"}, False),
    ({"authorization": "Basic x"}, False),
    ({"authorization": "Bearer x"}, True),
]


@pytest.mark.parametrize(("headers", "taken"), UNSAFE)
async def test_what_changes_something_must_come_from_our_own_pages_or_a_program(
    tmp_path: Path, headers: dict[str, str], *, taken: bool
) -> None:
    async with console_in(tmp_path, signed_in=False, console_url="https://console.example.org") as browser:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            reply = await browser.ask(method, "/static/nothing", headers)
            assert (reply.status != 403) == taken, method


async def test_a_form_elsewhere_changes_nothing(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    reply = await browser.post("/connections/shop/disconnect", {"sec-fetch-site": "cross-site"})
    assert reply.status == 403
    assert "did not come from one of the console" in reply.text
    assert len(await browser.bench.service.connections.all()) == 1


PRIVATE = ["/", "/connect-posthog", "/install/customerio", "/connections/shop/settings", "/changes", "/nothing"]


@pytest.mark.parametrize("path", PRIVATE)
async def test_nothing_is_shown_to_somebody_who_is_not_signed_in(browser: Browser, path: str) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    browser.cookies.clear()
    reply = await browser.get(path)
    assert reply.status == 303
    assert reply.headers["location"].startswith("/sign-in")
    assert "shop" not in reply.text


async def test_nothing_is_done_for_somebody_who_is_not_signed_in(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    browser.cookies.clear()
    reply = await browser.post("/connections/shop/disconnect")
    assert reply.status == 401
    assert len(await browser.bench.service.connections.all()) == 1


async def test_a_page_that_asks_for_its_parts_is_told_when_the_session_has_ended(browser: Browser) -> None:
    browser.cookies.clear()
    reply = await browser.get("/", x_part="1")
    assert (reply.status, reply.text) == (401, "")


async def test_what_stands_in_events_is_shown_as_text(browser: Browser) -> None:
    await browser.receive("<script>alert(1)</script>", '"><img src=x>')
    text = (await browser.get("/connect-posthog?after=0")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "<img src=x>" not in text


async def test_what_is_searched_for_is_shown_as_text(browser: Browser) -> None:
    text = (await browser.get("/?q=%22%3E%3Cscript%3E")).text
    assert '"><script>' not in text


async def test_secrets_never_leave_the_server(browser: Browser) -> None:
    secret = {"site_id": "canary-site", "api_key": "canary-key"}
    await browser.bench.service.connections.add("customerio", {**secret}, name="shop")
    for path in ("/", "/connections/shop/settings", "/connections/shop/disconnect"):
        assert "canary" not in (await browser.get(path)).text
    for do in ("test", "save"):
        reply = await browser.post("/install/customerio", do=do, name="No Name", **secret)
        assert "canary" not in reply.text
        reply = await browser.post("/connections/shop/settings", do=do, max_requests_per_second="0", **secret)
        assert reply.status == 422
        assert "canary" not in reply.text


async def test_a_body_that_is_too_long_is_refused(browser: Browser) -> None:
    reply = await browser.post("/install/customerio", site_id="x" * MOST_BODY_BYTES)
    assert reply.status == 413


ERRORS = [
    ("GET", "/nothing", 404, "There is no page at this address."),
    ("GET", "/connections/nobody/settings", 404, "Connection not found."),
    ("GET", "/install/pigeon", 404, "Unknown destination."),
    ("POST", "/audit", 405, "does not support that kind of request"),
    ("GET", "/sign-out", 405, "does not support that kind of request"),
    ("GET", "/static/../console.js", 404, "There is no page at this address."),
]


@pytest.mark.parametrize(("method", "path", "status", "sentence"), ERRORS)
async def test_what_cannot_be_answered_is_a_page_with_a_sentence(
    browser: Browser, method: str, path: str, status: int, sentence: str
) -> None:
    reply = await browser.ask(method, path, OWN)
    assert reply.status == status
    assert sentence in reply.text
    assert "<nav" in reply.text


async def test_to_programs_it_is_json(browser: Browser) -> None:
    reply = await browser.post("/api/nothing", {"sec-fetch-site": "cross-site"})
    assert reply.status == 403
    assert reply.text == '{"error":{"message":"The request did not come from one of the console\'s own pages."}}'


async def test_a_mistake_of_ours_is_a_page_that_says_nothing_of_it(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    log = SimpleNamespace(error=lambda *about, **more: said.append(f"{about} {more}"))
    monkeypatch.setattr("hogline.console.errors.log", log)

    async def fails() -> None:
        raise ValueError("canary")

    monkeypatch.setattr(browser.bench.service.connections, "all", fails)
    reply = await browser.get("/")
    assert reply.status == 500
    assert "Internal error" in reply.text
    assert "ValueError at" in said[0]
    assert "canary" not in reply.text + said[0]


async def test_while_hogline_stops_it_says_so(browser: Browser) -> None:
    browser.console.stopping.set()
    reply = await browser.get("/")
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert "Hogline is stopping." in reply.text


async def test_static_files_are_kept_for_ever_under_an_address_of_their_content(browser: Browser) -> None:
    url = browser.console.assets.url("console.css")
    assert url is not None
    reply = await browser.get(url)
    assert (reply.status, reply.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert reply.headers["content-type"] == "text/css; charset=utf-8"
    assert (await browser.get("/static/console.css")).status == 404


async def test_no_page_has_anything_inline(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    for path in ("/", "/connect-posthog", "/install/customerio", "/connections/shop/settings", "/nothing"):
        text = (await browser.get(path)).text.lower()
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert "javascript:" not in text
        assert all(tag.startswith(' src="/static/') for tag in text.split("<script")[1:])
