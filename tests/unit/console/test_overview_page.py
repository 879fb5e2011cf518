"""A connection's overview: what it says of every state and what to do, and its figures over time as a table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from msgspec.structs import replace
from service_bench import GOOD, send_lines

from hogline.console.overview import mean_ms, table
from hogline.model import Response
from hogline.service.figures import TrendsView
from hogline.store.figures import Figure
from hogline.store.sqlite.figures import SqliteFigures

pytestmark = pytest.mark.anyio

OVERVIEW = "/connections/shop/overview"
NOW_S = 1_793_527_200


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        past = SqliteFigures(tmp_path / "history.db")
        made.bench.service.figures = past
        await made.bench.service.connect("customerio", GOOD, name="shop")
        yield made
        await past.close()


async def send(browser: Browser, *lines: bytes, wait_s: float = 10.0) -> None:
    """They are all settled after that time."""
    service = browser.bench.service
    sending = await service.begin_sending()
    now_ms = service._clock.time_ms()
    timed = [line.replace(b'{"event"', b'{"timestamp": %d, "event"' % now_ms) for line in lines]
    assert await send_lines(service, sending, list(enumerate(timed, 1))) == []
    await service.sending(sending, wait_s)
    await service.end_sending(sending)


def figures(page: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>(?:<a [^>]*>)?([^<]*)<", page))


async def words(browser: Browser) -> str:
    """What it says of how the connection stands."""
    page = (await browser.get(OVERVIEW)).text
    standing = page[page.index('class="standing-words"') : page.index("</form>", page.index('class="standing-words"'))]
    return re.sub(r"<[^>]+>|\s+", " ", standing)


async def test_a_connection_to_which_nothing_came_says_what_to_do(browser: Browser) -> None:
    assert "Waiting for the first event." in await words(browser)
    assert "Figures appear within a minute" in (await browser.get(OVERVIEW)).text


async def test_what_became_of_the_events(browser: Browser) -> None:
    await send(
        browser,
        b'{"event": "refuse me", "distinct_id": "zoe"}',
        b'{"event": "signed up", "distinct_id": "max"}',
        b'{"event": "$snapshot", "distinct_id": "max"}',
    )
    page = (await browser.get(OVERVIEW)).text
    found = figures(page)
    assert [found[name] for name in ("Received", "Delivered", "Filtered", "Held", "Failures", "Pending")] == [
        "3", "1", "1", "0", "1", "0",
    ]  # fmt: skip
    assert "<code>invalid</code>" in page
    assert "Up to date." in await words(browser)


async def test_it_is_paused_and_resumed_by_forms(browser: Browser) -> None:
    reply = await browser.post(OVERVIEW, do="pause")
    assert (reply.status, reply.headers["location"]) == (303, OVERVIEW)
    assert "Paused." in await words(browser)
    assert 'value="resume"' in (await browser.get(OVERVIEW)).text
    await browser.post(OVERVIEW, do="resume")
    assert [one.paused for one in await browser.bench.service.connections()] == [False]


async def test_why_it_cannot_be_resumed_is_said_on_the_page(browser: Browser) -> None:
    await browser.post(OVERVIEW, do="pause")
    browser.bench.customerio.check = Response(401, {}, b"")
    reply = await browser.post(OVERVIEW, do="resume")
    assert reply.status == 422
    assert "rejected the credentials" in reply.text
    assert "Paused." in await words(browser)


async def test_a_connection_that_stopped_itself_says_why_and_what_to_do(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service_bench._answer", lambda _: Response(401, {}, b""))
    await send(browser, b'{"event": "signed up", "distinct_id": "max"}', wait_s=0.0)
    async with asyncio.timeout(10):
        while (await browser.bench.service.connections())[0].state != "stopped":
            await asyncio.sleep(0)
    said = await words(browser)
    assert "rejected the credentials" in said
    assert "Nothing is lost: events are kept in order." in said
    assert "Try again" in said


@pytest.mark.parametrize(
    ("query", "chosen"), [("", "day"), ("?period=hour", "hour"), ("?period=week", "week"), ("?period=x", "day")]
)
async def test_a_period_is_chosen_by_a_link(browser: Browser, query: str, chosen: str) -> None:
    page = (await browser.get(OVERVIEW + query)).text
    assert re.findall(r'<a href="\?period=(\w+)" aria-current="page">', page) == [chosen]


async def test_the_table_has_the_times_in_which_something_happened(browser: Browser) -> None:
    past = browser.bench.service.figures
    assert past is not None
    connection = 1
    added = [Figure(connection, "received", 1_234), Figure(connection, "filtered", 5, "not_identified")]
    await past.add(added, NOW_S - 600)
    page = (await browser.get(OVERVIEW)).text
    assert re.findall(r'<tr data-at="(\d+)">', page) == [str(NOW_S - 600)]
    assert "Filtered: not_identified" in page
    assert '<td class="number" data-n="1234">1,234</td>' in page
    assert '<td class="number" data-n="">\u2013</td>' in page  # no request, so no time of one


async def test_of_no_connection_there_is_no_overview(browser: Browser) -> None:
    assert (await browser.get(OVERVIEW.replace("shop", "nobody"))).status == 404


async def test_every_series_of_a_plot_has_a_color_of_its_own() -> None:
    lines = table(replace(history(), filtered={reason: [1, 1, 1] for reason in ("a", "b", "c", "d")})).columns
    drawn = [(line.plot, line.colour, line.dash) for line in lines]
    assert len({colour for plot, colour, _ in drawn if plot == "events"}) == len(
        [1 for each in drawn if each[0] == "events"]
    )


async def test_an_open_page_is_led_away_when_its_connection_is_removed(browser: Browser) -> None:
    await browser.bench.service.disconnect("shop")
    assert (await browser.get(OVERVIEW, x_part="1")).headers["x-go-to"] == "/"


def history(**series: list[int] | list[float | None]) -> TrendsView:
    nothing = {
        name: [0, 0, 0] for name in ("received", "delivered", "held", "failures", "pending", "lag_s", "requests")
    }
    empty: list[float | None] = [None, None, None]
    values = {"connection": "shop", "period": "hour", "step_s": 60, "times": [0, 60, 120], "filtered": {}}
    return TrendsView(**(values | nothing | {"request_ms": empty} | series))  # type: ignore[arg-type]


def test_the_mean_time_counts_every_request_once() -> None:
    assert mean_ms(history(requests=[1, 0, 3], request_ms=[100.0, None, 20.0])) == 40.0
    assert mean_ms(history()) is None


def test_times_in_which_nothing_happened_are_left_out() -> None:
    assert [at_s for at_s, _ in table(history(received=[1, 0, 0], pending=[0, 0, 2])).rows] == [0, 120]
