"""Live parts: a stream that says when to look again, and that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from starlette.requests import Request

from hogline.console.live import CHANGED, EVERY_S, Pulse, changes

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


def request_of(browser: Browser) -> Request:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return Request({"type": "http", "app": browser.app, "headers": [(b"cookie", cookie.encode())]})


class Looked:
    """What a page shows, as one look after the other finds it."""

    def __init__(self, *found: object) -> None:
        self._found = list(found)

    async def __call__(self) -> object:
        return self._found.pop(0) if len(self._found) > 1 else self._found[0]


async def said(browser: Browser, look: Looked, most: int) -> list[str]:
    heard: list[str] = []
    async with asyncio.timeout(10):
        async for each in changes(request_of(browser), look, lambda: 0.001):
            heard.append(each)
            if len(heard) == most:
                break
    return heard


async def test_it_says_so_at_once_and_whenever_something_is_different(browser: Browser) -> None:
    assert await said(browser, Looked(1, 1, 1, 2, 2, 2, 3), 5) == [CHANGED] * 5


async def test_each_change_is_said_once_more_and_then_nothing(browser: Browser) -> None:
    class UntilStopped(Looked):
        looks = 0

        async def __call__(self) -> object:
            self.looks += 1
            if self.looks == 10:
                browser.console.stopping.set()
            return "the same"

    assert await said(browser, UntilStopped("the same"), 99) == [CHANGED] * 2


async def test_it_ends_when_hogline_stops(browser: Browser) -> None:
    browser.console.stopping.set()
    assert await said(browser, Looked(1), 99) == [CHANGED]


async def test_it_ends_with_the_session_and_lets_the_page_find_out(browser: Browser) -> None:
    look = Looked(1)
    await browser.bench.service.accounts.set_password("another password")
    assert await said(browser, look, 99) == [CHANGED, CHANGED]


async def test_something_is_said_now_and_then_so_that_nobody_hangs_up(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.console.live.STILL_HERE_S", 0.002)
    assert (await said(browser, Looked(1), 3))[2] == ": still here\n\n"


async def test_the_pages_streams_are_event_streams(browser: Browser) -> None:
    for path in ("/changes",):
        reply = await browser.get(path)  # which hangs up at once
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.text.startswith("event: changed")


@pytest.mark.parametrize(("viewers", "pause_s"), [(1, EVERY_S), (10, EVERY_S), (100, 10 * EVERY_S)])
async def test_many_viewers_look_less_often(browser: Browser, viewers: int, pause_s: float) -> None:
    pulse = Pulse(browser.bench.service)
    pulse.viewers = viewers
    assert pulse.pause_s() == pytest.approx(pause_s)


async def test_whoever_leaves_is_not_counted_anymore(browser: Browser) -> None:
    await browser.get("/changes")
    assert browser.app.state.pulse.viewers == 0
