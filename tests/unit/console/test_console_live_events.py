"""Live: the newest events of the event log with everything about them, chosen on the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.console import live_events
from hogline.service.event_log import Events

pytestmark = pytest.mark.anyio

LIVE = "/connections/shop/live"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", {**GOOD, "events": "*, -left"}, name="shop")
        yield made


def shown(page: str) -> list[str]:
    return re.findall(r'<li class="live-event" id="event-(\d+)">', page)


async def test_nothing_arrived_yet_says_how_to_send_an_event(browser: Browser) -> None:
    said = words((await browser.get(LIVE)).text)
    assert "Waiting for events" in said
    assert "Connect PostHog" in said


async def test_events_from_before_anybody_looked_are_there_with_all_about_them(browser: Browser) -> None:
    await settle(
        browser,
        {"event": "ordered", "distinct_id": "ada", "properties": {"total": 5}},
        {"event": "refuse me", "distinct_id": "ben"},
        {"event": "left", "distinct_id": "ada"},
    )
    page = (await browser.get(LIVE)).text
    said = words(page)
    assert shown(page) == ["3", "2", "1"]
    assert "Filtered left ada not_in_allowlist" in said
    assert "Failed refuse me ben invalid" in said
    assert "Delivered ordered ada identify event" in said
    assert "event accepted" in said
    assert "event rejected: invalid" in said
    assert "&#34;total&#34;: 5" in said
    assert f'<a href="{LIVE}">Reload</a>' in page


async def test_a_restart_loses_none_of_them(tmp_path: Path) -> None:
    async with console_in(tmp_path) as before:
        await before.bench.service.connections.add("customerio", GOOD, name="shop")
        await settle(before, {"event": "ordered", "distinct_id": "ada"})
    async with console_in(tmp_path) as after:
        assert "Delivered ordered ada identify event" in words((await after.get(LIVE)).text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("person=ada", ["3", "1"]),
        ("name=ordered", ["1"]),
        ("outcome=failed", ["2"]),
        ("outcome=nonsense", ["3", "2", "1"]),
        ("person=ada&outcome=filtered", ["3"]),
        ("name=never", []),
    ],
)
async def test_the_server_chooses(browser: Browser, query: str, found: list[str]) -> None:
    await settle(
        browser,
        {"event": "ordered", "distinct_id": "ada"},
        {"event": "refuse me", "distinct_id": "ben"},
        {"event": "left", "distinct_id": "ada"},
    )
    page = (await browser.get(f"{LIVE}?{query}")).text
    assert shown(page) == found
    assert ("No match" in page) == (found == [])


async def test_only_the_newest_are_shown_and_the_others_are_a_click_away(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_events, "ON_PAGE", 2)
    many: list[dict[str, object]] = [{"event": f"event {n}", "distinct_id": "ada"} for n in range(3)]
    await settle(browser, *many)
    page = (await browser.get(f"{LIVE}?person=ada")).text
    assert shown(page) == ["3", "2"]
    assert 'href="/connections/shop/events?person=ada"' in page


async def test_what_waits_is_shown_when_it_is_asked_for(browser: Browser) -> None:
    await browser.bench.service.connections.pause("shop")
    await browser.receive("ordered", "ada")
    assert "This connection is paused, so its events are pending." in words((await browser.get(LIVE)).text)
    said = words((await browser.get(f"{LIVE}?outcome=pending")).text)
    assert "Pending ordered ada" in said
    assert "shop is paused." in said


async def test_the_list_is_made_once_for_all_who_look_at_the_same(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    newest = Events.newest

    async def counted(events: Events, connection: str, **chosen: Any) -> object:
        asked.append(chosen["person"])
        return await newest(events, connection, **chosen)

    monkeypatch.setattr(Events, "newest", counted)
    monkeypatch.setattr(live_events, "KEPT_S", 60.0)
    pages = await asyncio.gather(*(browser.get(LIVE) for _ in range(20)), browser.get(f"{LIVE}?person=ada"))
    assert [page.status for page in pages] == [200] * 21
    assert sorted(asked) == ["", "ada"]
    monkeypatch.setattr(live_events, "KEPT_S", 0.0)
    await settle(browser, {"event": "ordered", "distinct_id": "ada"})
    assert shown((await browser.get(LIVE)).text) == ["1"]


async def test_what_was_adjusted_is_said(browser: Browser) -> None:
    await settle(browser, {"event": "ordered", "distinct_id": "ada", "properties": {"$set": {"email": "ada"}}})
    assert "Adjusted: invalid_email" in words((await browser.get(LIVE)).text)


async def test_of_a_large_event_only_the_beginning_is_shown(browser: Browser) -> None:
    await settle(browser, {"event": "seen", "distinct_id": "ada", "properties": {"text": "x" * 100_000}})
    assert len((await browser.get(LIVE)).text) < 30_000
    assert "x" * 100_000 in (await browser.get("/connections/shop/events/1")).text


async def test_what_stands_in_events_is_text(browser: Browser) -> None:
    await settle(browser, {"event": SCRIPT, "distinct_id": SCRIPT, "properties": {SCRIPT: SCRIPT}})
    assert SCRIPT not in (await browser.get(LIVE)).text


async def test_pages_are_compressed_for_whoever_takes_that(browser: Browser) -> None:
    assert "content-encoding" not in (await browser.get(LIVE)).headers
    for path in (LIVE, browser.console.assets.urls["console.css"]):
        reply = await browser.ask("GET", path, {"accept-encoding": "gzip, br"})
        assert reply.headers["content-encoding"] == "gzip"
        assert int(reply.headers["content-length"]) < 20_000
    stream = await browser.ask("GET", "/changes", {"accept-encoding": "gzip"})
    assert "content-encoding" not in stream.headers
