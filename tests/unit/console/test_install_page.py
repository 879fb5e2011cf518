"""Installing in one screen: what is asked first, a forecast from what was received, names that were seen."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from console_bench import OWN, Browser, Reply, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.backfill.files import CannotRead
from hogline.console import forecast

pytestmark = pytest.mark.anyio

INSTALL = "/install/customerio"
FORECAST = f"{INSTALL}/forecast"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


async def test_two_fields_and_whom_to_send_are_asked_and_the_rest_is_advanced(browser: Browser) -> None:
    page = (await browser.get(INSTALL)).text
    first, rest = page.split('<details class="advanced"', 1)
    names = set(re.findall(r'name="([a-z_]+)"', first[first.index('class="card rows"') :]))
    assert names == {"site_id", "api_key", "anonymous_users", "price", "file"}
    assert {"tracking_endpoint", "events", "name"} <= set(re.findall(r'name="([a-z_]+)"', rest))


async def test_a_problem_in_what_is_folded_opens_it(browser: Browser) -> None:
    page = (await browser.post(INSTALL, site_id="site", api_key="key", hold_days="x", do="start")).text
    assert '<details class="advanced" open>' in page


async def test_names_that_were_seen_are_suggested(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    await settle(
        browser,
        {"event": "order completed", "distinct_id": "ada"},
        {"event": "order completed", "distinct_id": "ben"},
        {"event": '<b>"x"', "distinct_id": "ada"},
    )
    for path in (INSTALL, "/connections/shop/settings"):
        page = (await browser.get(path)).text
        suggested = re.findall(r'data-add="([^"]*)" data-to="option-events"', page)
        assert suggested == ["order completed", "&lt;b&gt;&#34;x&#34;"]


async def test_a_forecast_tells_customers_and_cost_from_what_was_received(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    await settle(
        browser,
        {"event": "$identify", "distinct_id": "ada", "properties": {"$set": {"email": "ada@example.com"}}},
        {"event": "seen", "distinct_id": "visitor"},
    )
    page = (await browser.post(FORECAST, price="0.5")).text
    said = words(page[: page.index("</main>") + 7])
    assert "Forecast from the last 2 events" in said
    rows = re.findall(r'data-title="New customers">(\d+)</td>.*?data-title="A month">([\d.]+)<', page)
    assert ("1", "0.50") in rows
    assert ("2", "1.00") in rows
    assert len(await browser.bench.service.connections.all()) == 1


async def test_without_events_there_is_no_forecast_and_a_price_is_a_number(browser: Browser) -> None:
    assert "has received no events yet" in (await browser.post(FORECAST)).text
    assert "A price must be a number" in (await browser.post(FORECAST, price="cheap")).text


async def upload(browser: Browser, name: str, content: bytes, **fields: str) -> Reply:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n' for key, text in fields.items()]
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = "".join([*parts, head]).encode() + content + b"\r\n--x--\r\n"
    return await browser.ask("POST", FORECAST, {**OWN, "content-type": "multipart/form-data; boundary=x"}, body)


EVENTS = (
    b'{"event": "seen", "distinct_id": "visitor", "timestamp": "2026-11-01T00:00:01Z"}',
    (
        b'{"event": "$identify", "distinct_id": "ada", "timestamp": "2026-11-01T00:00:02Z",'
        b' "properties": {"$set": {"email": "ada@example.com"}}}'
    ),
)


@pytest.mark.parametrize("packed", [False, True])
async def test_a_forecast_may_come_from_a_file(browser: Browser, packed: bool) -> None:  # noqa: FBT001  # a case
    content = b"\n".join([*EVENTS, b"nonsense"])
    page = (await upload(browser, "export.jsonl", gzip.compress(content) if packed else content, price="0.5")).text
    said = words(page[: page.index("</main>") + 7])
    assert "Forecast from 2 events in export.jsonl 1 row could not be read." in said
    rows = re.findall(r'data-title="New customers">(\d+)</td>.*?data-title="A month">([\d.]+)<', page)
    assert ("1", "0.50") in rows
    assert ("2", "1.00") in rows
    assert f'<form method="post" action="{INSTALL}"' in page
    assert not [each for each in browser.bench.folder.iterdir() if "export" in each.name]


async def test_a_forecast_from_a_file_uses_what_was_typed(browser: Browser) -> None:
    content = b"\n".join(EVENTS)
    page = (await upload(browser, "export.jsonl", content, events="seen")).text
    assert "Forecast from 2 events" in page
    assert re.findall(r'data-title="Events delivered">(\d+)<', page)[0] == "1"


async def test_of_a_large_file_the_first_events_are_counted(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "MOST_EVENTS", 1)
    assert "Only these are counted." in (await upload(browser, "export.jsonl", b"\n".join(EVENTS))).text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"nonsense", "export.jsonl has no events that Hogline can read."),
        (b"", "export.jsonl has no events that Hogline can read."),
        (b'{"person_id": "1", "person_version": 1, "distinct_id": "ada"}', "The file has people, not events."),
    ],
)
async def test_a_file_without_events_says_so(browser: Browser, content: bytes, sentence: str) -> None:
    reply = await upload(browser, "export.jsonl", content)
    assert reply.status == 422
    assert sentence in unescape(reply.text)


async def test_a_file_that_cannot_be_read_says_so(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise CannotRead("export.jsonl cannot be read.")

    monkeypatch.setattr(forecast, "add_all", fails)
    assert "export.jsonl cannot be read." in (await upload(browser, "export.jsonl", b"")).text


async def test_only_a_forecast_takes_a_file_and_only_one_of_some_size(browser: Browser) -> None:
    large = b"x" * 1_100_000
    assert (await upload(browser, "export.jsonl", large)).status == 422
    assert (await browser.ask("POST", INSTALL, {**OWN, "content-type": FORM}, b"name=" + large)).status in {400, 413}
    browser.cookies.clear()
    assert (await upload(browser, "export.jsonl", large)).status in {400, 413}


async def test_what_stands_between_backticks_is_code(browser: Browser) -> None:
    page = (await browser.get("/install/customerio")).text
    assert "<code>person.</code> before a property" in page
    assert "`" not in page
