"""Installing in one screen: what is asked first, a forecast from what was received, names that were seen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

pytestmark = pytest.mark.anyio

INSTALL = "/install/customerio"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


async def test_two_fields_and_whom_to_send_are_asked_and_the_rest_is_advanced(browser: Browser) -> None:
    page = (await browser.get(INSTALL)).text
    first, rest = page.split('<details class="advanced"', 1)
    names = set(re.findall(r'name="([a-z_]+)"', first[first.index('class="card rows"') :]))
    assert names == {"site_id", "api_key", "anonymous_users", "price", "do"}
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
    page = (await browser.post(INSTALL, do="forecast", price="0.5")).text
    said = words(page[: page.index("</main>") + 7])
    assert "Forecast from the last 2 events" in said
    rows = re.findall(r'data-title="New customers">(\d+)</td>.*?data-title="A month">([\d.]+)<', page)
    assert ("1", "0.50") in rows
    assert ("2", "1.00") in rows
    assert len(await browser.bench.service.connections.all()) == 1


async def test_without_events_there_is_no_forecast_and_a_price_is_a_number(browser: Browser) -> None:
    assert "has received no events yet" in (await browser.post(INSTALL, do="forecast")).text
    assert "A price must be a number" in (await browser.post(INSTALL, do="forecast", price="cheap")).text
