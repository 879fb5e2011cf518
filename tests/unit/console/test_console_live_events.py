"""Live events: one loop asks and renders for all who look on, and ends with the last of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.console import live_events
from hogline.console.live_events import ENDED, MOST_AT_ONCE, Broadcast, message
from hogline.service import CannotDo
from hogline.views.events import LiveEvent, LiveEvents

pytestmark = pytest.mark.anyio

LIVE = "/connections/shop/live"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Browser]:
    monkeypatch.setattr(live_events, "EVERY_S", 0.0)
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made
        made.console.stopping.set()


def told(*numbers: int, skipped: int = 0, name: str = "seen") -> LiveEvents:
    events = [
        LiveEvent(
            number=n, at_ms=0, uuid="", event=name, distinct_id=SCRIPT, timestamp_ms=0, outcome="filtered",
            rule="snapshot", adjusted=[], properties={SCRIPT: SCRIPT}, set={}, operations=[],
        )
        for n in numbers
    ]  # fmt: skip
    return LiveEvents(last=numbers[-1] if numbers else 0, skipped=skipped, events=events)


async def soon(messages: asyncio.Queue[str]) -> str:
    async with asyncio.timeout(5):
        return await messages.get()


async def test_nothing_arrived_yet_says_how_to_send_an_event(browser: Browser) -> None:
    said = words((await browser.get(LIVE)).text)
    assert "Waiting for events" in said
    assert "Connect PostHog" in said


async def test_without_script_there_are_the_last_events_and_a_link(browser: Browser) -> None:
    await browser.get(LIVE)  # somebody looks
    await settle(
        browser,
        {"event": "ordered", "distinct_id": "ada", "properties": {"total": 5}},
        {"event": "refuse me", "distinct_id": "ben"},
    )
    page = (await browser.get(LIVE)).text
    said = words(page)
    assert said.index("refuse me") < said.index("ordered")
    assert "Failed refuse me ben invalid" in said
    assert "Delivered ordered ada identify event" in said
    assert "event accepted" in said
    assert "event rejected: invalid" in said
    assert "&#34;total&#34;: 5" in said
    assert f'<a href="{LIVE}">Reload</a>' in page


async def test_what_stands_in_events_is_text(browser: Browser) -> None:
    await browser.get(LIVE)
    await settle(browser, {"event": SCRIPT, "distinct_id": SCRIPT, "properties": {SCRIPT: SCRIPT}})
    assert SCRIPT not in (await browser.get(LIVE)).text
    assert SCRIPT not in message(told(1, name=SCRIPT), 10)


async def test_all_viewers_get_the_same_from_one_loop(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered, render = [], live_events.rendered

    def noted(events: list[LiveEvent]) -> str:
        rendered.append(len(events))
        return render(events)

    monkeypatch.setattr(live_events, "rendered", noted)
    broadcast = Broadcast(browser.console, "shop")
    with broadcast.watched() as one, broadcast.watched() as other:
        await broadcast.missed(0)
        await settle(browser, {"event": "ordered", "distinct_id": "ada"})
        first = await soon(one)
        assert "ordered" in first
        assert await soon(other) == first
    assert rendered == [1]


async def test_the_loop_ends_with_the_last_viewer_and_begins_with_the_next(browser: Browser) -> None:
    broadcast = Broadcast(browser.console, "shop")
    with broadcast.watched():
        with broadcast.watched():
            assert broadcast.viewers == 2
        await asyncio.sleep(0)
        assert broadcast.is_running
    async with asyncio.timeout(5):
        while broadcast.is_running:
            await asyncio.sleep(0)
    with broadcast.watched() as again:
        await broadcast.missed(0)
        await settle(browser, {"event": "ordered", "distinct_id": "ada"})
        assert "ordered" in await soon(again)


async def test_somebody_who_joins_late_is_told_what_they_missed_and_no_more(browser: Browser) -> None:
    broadcast = Broadcast(browser.console, "shop")
    await broadcast.missed(0)
    await settle(browser, {"event": "first", "distinct_id": "ada"}, {"event": "second", "distinct_id": "ben"})
    whole = await broadcast.missed(0)
    assert "first" in whole
    assert "second" in whole
    assert "id: 2\n" in whole
    for nothing_missed in (2, -1):
        assert (await broadcast.missed(nothing_missed)).startswith(":")


async def test_viewers_are_told_when_hogline_stops(browser: Browser) -> None:
    broadcast = Broadcast(browser.console, "shop")
    with broadcast.watched() as messages:
        await asyncio.sleep(0)
        browser.console.stopping.set()
        assert await soon(messages) == ENDED


async def test_viewers_are_told_when_the_connection_is_removed(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def removed(*_: object, **__: object) -> LiveEvents:
        raise CannotDo("Connection 'shop' not found.")

    monkeypatch.setattr(browser.bench.service.live, "events", removed)
    with Broadcast(browser.console, "shop").watched() as messages:
        assert await soon(messages) == ENDED


async def test_somebody_who_reads_slowly_keeps_nobody_up(browser: Browser) -> None:
    broadcast = Broadcast(browser.console, "shop")
    with broadcast.watched() as messages:
        for n in range(live_events.BEHIND + 5):
            broadcast._say(f"{n}")
        assert messages.qsize() == live_events.BEHIND
        assert await soon(messages) == "5"


async def test_without_a_session_there_is_no_stream(browser: Browser) -> None:
    await browser.bench.service.accounts.set_password("another password")
    reply = await browser.get(f"{LIVE}/stream", accept="text/event-stream")
    assert reply.status == 401


def test_of_many_events_at_once_the_newest_are_shown_and_the_others_counted() -> None:
    text = message(told(*range(1, 31), skipped=100), MOST_AT_ONCE, 100)
    assert text.startswith(f"event: more\ndata: {100 + 30 - MOST_AT_ONCE}\n\nid: 30\nevent: events\n")
    shown = [n for n in range(1, 31) if f'id="event-{n}"' in text]
    assert shown == list(range(31 - MOST_AT_ONCE, 31))
    assert text.index('id="event-30"') < text.index('id="event-29"')


@pytest.mark.parametrize("breaks", ["\n", "\r", "\r\n", "\n\n", "\u2028"])
def test_line_breaks_in_an_event_do_not_break_the_stream(breaks: str) -> None:
    text = message(told(1, name=f"a{breaks}event: ended{breaks}b"), 10)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert all(line == "" or line.startswith(("id: ", "event: events", "data: ")) for line in lines)
    assert text.endswith("\n\n")
    assert text.count("\n\n") == 1
