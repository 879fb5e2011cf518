"""The pages of the event log: a search by anything, and one event in full."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from service_bench import GOOD

pytestmark = pytest.mark.anyio

EVENTS = "/connections/shop/events"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", {**GOOD, "anonymous_users": "identified"}, name="shop")
        yield made


async def with_events(browser: Browser) -> None:
    for name, who in (("$identify", "ada"), ("ordered", "ada"), ("<b>ordered</b>", "bob"), ("refuse me", "ada")):
        await browser.receive(name, who)
    async with asyncio.timeout(10):
        while (await browser.bench.service.status.show()).connections[0].pending:
            await asyncio.sleep(0)


def shown(page: str) -> list[str]:
    return re.findall(r'<tr id="event-(\d+)">', page)


async def test_a_log_without_events_says_what_to_do(browser: Browser) -> None:
    assert "No events yet" in (await browser.get(EVENTS)).text


async def test_the_newest_event_is_on_top(browser: Browser) -> None:
    await with_events(browser)
    page = (await browser.get(EVENTS)).text
    assert shown(page) == ["4", "3", "2", "1"]
    assert "&lt;b&gt;ordered&lt;/b&gt;" in page
    assert "<code><bdi" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("person=ada", ["4", "2", "1"]),
        ("name=ordered", ["2"]),
        ("outcome=failed", ["4"]),
        ("outcome=nonsense", ["4", "3", "2", "1"]),
        ("reason=not_identified", ["3"]),
        ("before=3", ["2", "1"]),
        ("name=never", []),
    ],
)
async def test_a_search_shows_what_fits(browser: Browser, query: str, found: list[str]) -> None:
    await with_events(browser)
    page = (await browser.get(f"{EVENTS}?{query}")).text
    assert shown(page) == found
    assert ("No match" in page) == (found == [])


@pytest.mark.parametrize("query", ["since=yesterday", "before=x"])
async def test_what_cannot_be_searched_for_is_an_error(browser: Browser, query: str) -> None:
    assert (await browser.get(f"{EVENTS}?{query}")).status == 400


async def test_a_time_is_searched_for(browser: Browser) -> None:
    await with_events(browser)
    assert shown((await browser.get(f"{EVENTS}?since=2000-01-01T00:00")).text) == ["4", "3", "2", "1"]
    assert shown((await browser.get(f"{EVENTS}?until=2000-01-01T00:00")).text) == []


async def test_one_event_shows_all_that_happened(browser: Browser) -> None:
    await with_events(browser)
    page = (await browser.get(f"{EVENTS}/4")).text
    assert "rejected: invalid" in page
    assert "&#34;name&#34;: &#34;refuse me&#34;" in page
    assert 'href="/connections/shop/failures/4"' in page
    page = (await browser.get(f"{EVENTS}/3")).text
    assert "was not identified when the event" in page
    assert "Nothing was sent." in page


@pytest.mark.parametrize("number", ["99", "x"])
async def test_an_event_that_is_not_there_is_an_error(browser: Browser, number: str) -> None:
    assert (await browser.get(f"{EVENTS}/{number}")).status in {400, 404}


async def test_figures_and_people_lead_to_their_events(browser: Browser) -> None:
    await with_events(browser)
    overview = (await browser.get("/connections/shop/overview")).text
    for link in ("?outcome=delivered", "?outcome=filtered", "?outcome=filtered&amp;reason=not_identified"):
        assert f'href="{EVENTS}{link}"' in overview
    assert f'href="{EVENTS}?person=ada"' in (await browser.get("/connections/shop/person?id=ada")).text
