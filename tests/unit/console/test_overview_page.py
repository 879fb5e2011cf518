"""A connection's overview: what it says of every state and what to do, and its figures over time as a table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from msgspec.structs import replace
from service_bench import GOOD, send_lines

from hogline.console.overview import sums, table
from hogline.model import Response
from hogline.service.figures import TrendsView
from hogline.store.figures import Figure, bucket

pytestmark = pytest.mark.anyio

OVERVIEW = "/connections/shop/overview"
NOW_S = 1_793_527_200


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def send(browser: Browser, *lines: bytes, wait_s: float = 10.0) -> None:
    """They are all settled after that time."""
    service = browser.bench.service
    sending = await service.sendings.begin()
    now_ms = service.clock.time_ms()
    timed = [line.replace(b'{"event"', b'{"timestamp": %d, "event"' % now_ms) for line in lines]
    assert await send_lines(service, sending, list(enumerate(timed, 1))) == []
    await service.sendings.show(sending, wait_s)
    await service.sendings.end(sending)


def figures(page: str, place: str = "totals") -> dict[str, str]:
    """The figures of one list; `range`: those of the chosen time."""
    page = page[page.index(f'id="{place}"') :]
    page = page[: page.index("</dl>")]
    return dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>(?:<a [^>]*>)?([^<]*)<", page))


async def words(browser: Browser) -> str:
    """What it says of how the connection stands."""
    page = (await browser.get(OVERVIEW)).text
    standing = page[page.index('class="standing-words"') : page.index("</form>", page.index('class="standing-words"'))]
    return re.sub(r"<[^>]+>|\s+", " ", standing)


async def test_a_connection_to_which_nothing_came_says_what_to_do(browser: Browser) -> None:
    assert "Waiting for the first event." in await words(browser)
    page = (await browser.get(OVERVIEW)).text
    assert "Connect PostHog" in page[page.index("first-steps") :]
    assert '<section aria-labelledby="history-title" id="trends" hidden>' in page


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
    assert [one.paused for one in await browser.bench.service.connections.all()] == [False]


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
        while (await browser.bench.service.connections.all())[0].state != "stopped":
            await asyncio.sleep(0)
    said = await words(browser)
    assert "rejected the credentials" in said
    assert "Nothing is lost: events are kept in order." in said
    assert "Try again" in said


@pytest.mark.parametrize(
    ("query", "chosen"),
    [("", "day"), ("?period=hour", "hour"), ("?period=week", "week"), ("?period=month", "month"), ("?period=x", "day")],
)
async def test_a_period_is_chosen_by_a_link(browser: Browser, query: str, chosen: str) -> None:
    page = (await browser.get(OVERVIEW + query)).text
    assert re.findall(r'<a href="\?period=(\w+)" aria-current="page">', page) == [chosen]


async def test_days_are_chosen_and_the_figures_are_theirs(browser: Browser) -> None:
    past = browser.bench.service.figures
    assert past is not None
    for days, received in ((0, 1), (3, 20), (4, 400)):
        await past.add([Figure(1, "received", received), Figure(1, "delivered", received // 2)], NOW_S - 86_400 * days)
    page = (await browser.get(f"{OVERVIEW}?since={day(4)}&until={day(3)}")).text
    found = figures(page, "range")
    assert (found["Received"], found["Delivered"]) == ("420", "100%")
    assert f'name="since" value="{day(4)}"' in page
    assert figures((await browser.get(f"{OVERVIEW}?since={day(3)}")).text, "range")["Received"] == "21"
    assert '<a href="?period=day" >' in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "A day must look like 2026-11-01."),
        ("since=9999-12-31&until=9999-12-31", "A day must look like"),
        ("since=2026-10-31&until=2026-10-30", "The range must begin before it ends, within the last 60 days."),
        ("until=2020-01-01", "The range must begin before it ends"),
    ],
)
async def test_days_that_are_none_are_said(browser: Browser, query: str, said: str) -> None:
    reply = await browser.get(f"{OVERVIEW}?{query}")
    assert reply.status == 422
    assert said in reply.text


def day(ago: int) -> str:
    return f"{datetime.fromtimestamp(NOW_S, UTC) - timedelta(days=ago):%Y-%m-%d}"


async def test_failures_are_shown_by_reason_over_time(browser: Browser) -> None:
    past = browser.bench.service.figures
    assert past is not None
    await past.add([Figure(1, "failed", 2, "invalid"), Figure(1, "failed", 3, "too_large")], NOW_S - 60)
    page = (await browser.get(OVERVIEW)).text
    assert 'data-plot="failures" data-colour="plot-5" data-unit="">Failed: too_large</th>' in page
    assert figures(page, "range")["New failures"] == "5"


async def test_request_times_are_told_at_50_and_95_percent(browser: Browser) -> None:
    past = browser.bench.service.figures
    assert past is not None
    took = [Figure(1, "took", 90, str(bucket(40))), Figure(1, "took", 10, str(bucket(900)))]
    await past.add([Figure(1, "requests", 100), *took], NOW_S - 60)
    found = figures((await browser.get(OVERVIEW)).text, "range")
    assert re.fullmatch(r"(3|4)\d ms", found["Median request time"])
    assert re.fullmatch(r"(7|8|9)\d\d ms", found["95th percentile"])


async def test_an_outage_tells_since_when_and_when_it_is_tried_next(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service_bench._answer", lambda _: Response(503, {}, b""))
    monkeypatch.setattr(
        "hogline.testing.clock.SkippingClock.sleep", lambda *_: asyncio.Event().wait()
    )  # nobody tries again
    await browser.receive("signed up")
    async with asyncio.timeout(10):
        while (await browser.bench.service.connections.all())[0].state != "retrying":
            await asyncio.sleep(0)
    said = await words(browser)
    assert re.search(r"Retrying since +2026-11-01 10:00:00 UTC +\. Next try: +2026-11-01 10:00:0\d UTC", said)
    assert "1 event waits." in said


async def test_the_headline_tells_since_when(browser: Browser) -> None:
    await browser.receive("signed up")
    assert "since  2026-11-01 10:00:00 UTC" in await words(browser)
    await browser.post(OVERVIEW, do="pause")
    assert "Paused since  2026-11-01 10:00:00 UTC" in await words(browser)


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
    many = {reason: [1, 1, ord(reason)] for reason in "abcdefghijk"}
    lines = table(replace(history(), filtered=many, failures_by_reason=many)).columns
    drawn = [(line.plot, line.colour) for line in lines]
    assert len(drawn) == len(set(drawn))


async def test_an_open_page_is_led_away_when_its_connection_is_removed(browser: Browser) -> None:
    await browser.bench.service.connections.remove("shop")
    assert (await browser.get(OVERVIEW, x_part="1")).headers["x-go-to"] == "/"


def history(**series: list[int] | list[float | None]) -> TrendsView:
    nothing = {
        name: [0, 0, 0] for name in ("received", "delivered", "held", "failures", "pending", "lag_s", "requests")
    }
    empty: list[float | None] = [None, None, None]
    values = {"connection": "shop", "period": "hour", "step_s": 60, "times": [0, 60, 120], "filtered": {}}
    values |= {"failures_by_reason": {}, "p50_ms": None, "p95_ms": None}
    times = dict.fromkeys(("request_ms", "request_p50_ms", "request_p95_ms"), empty)
    return TrendsView(**(values | nothing | times | series))  # type: ignore[arg-type]


def test_reasons_that_have_no_color_of_their_own_are_one_line() -> None:
    many = {"rare": [0, 0, 1], "b": [9, 0, 0], "c": [8, 0, 0], "d": [7, 0, 0], "e": [1, 2, 0]}
    lines = table(replace(history(), filtered=many)).columns
    assert [(line.title, list(line.values)) for line in lines if line.title.startswith("Filtered")] == [
        ("Filtered: b", [9, 0, 0]),
        ("Filtered: c", [8, 0, 0]),
        ("Filtered: d", [7, 0, 0]),
        ("Filtered: other reasons", [1, 2, 1]),
    ]


def test_the_rate_counts_from_the_first_event_of_the_range() -> None:
    summed = sums(history(received=[0, 6, 6]), now_s=150)
    assert (summed.received, summed.lasted_s) == (12, 90)
    assert sums(history(), now_s=150).lasted_s == 1


def test_what_was_delivered_is_a_share_of_what_was_decided() -> None:
    summed = sums(
        replace(history(delivered=[7, 0, 0], held=[1, 0, 0], failures=[2, 0, 0]), failures_by_reason={"x": [1, 0, 0]}),
        now_s=150,
    )
    assert (summed.decided, summed.failures) == (10, {"x": 1, "not recorded": 1})


def test_times_in_which_nothing_happened_are_left_out() -> None:
    assert [at_s for at_s, _ in table(history(received=[1, 0, 0], pending=[0, 0, 2])).rows] == [0, 120]
