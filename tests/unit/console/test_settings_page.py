"""A connection's settings: a test event, another name, a copy, and the history of its changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.destinations.customerio import CUSTOMERIO

pytestmark = pytest.mark.anyio

SETTINGS = "/connections/shop/settings"
TYPED = {
    **{option.key: str(option.default) for option in CUSTOMERIO.options if option.kind != "yes_no"},
    "site_id": "site",
    "api_key": "key",
    "do": "send",
}


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def test_a_received_event_is_sent_as_a_test_and_both_sides_are_shown(browser: Browser) -> None:
    await settle(browser, {"event": "ordered", "distinct_id": "ada", "properties": {"total": 5}})
    assert '<option value="received-1">ordered · ada</option>' in (await browser.get(SETTINGS)).text
    page = (await browser.post(SETTINGS, **{**TYPED, "trial-event": "received-1"})).text
    said = words(page)
    assert "Accepted." in said
    assert "Request: POST https://track.customer.io" in said
    assert "&#34;total&#34;: 5" in said
    assert "Response: 200" in said
    assert "authorization: •••" in said.lower()


@pytest.mark.parametrize("path", ["/install/customerio", SETTINGS])
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"trial-event": "sample-custom"}, "Accepted."),
        ({"trial-event": "sample-custom", "trial-json": '{"event": "refuse me", "distinct_id": "b"}'}, "Rejected: inv"),
        ({"trial-event": "received-7"}, "Choose an event to send, or paste one as JSON."),
        ({"trial-event": "sample-none"}, "Choose an event to send, or paste one as JSON."),
        ({"trial-json": "<b>"}, "not valid JSON"),
    ],
)
async def test_any_event_can_be_sent_as_a_test(browser: Browser, path: str, typed: dict[str, str], said: str) -> None:
    assert said in words((await browser.post(path, **{**TYPED, **typed})).text)


async def test_another_name_leads_to_its_page_and_old_changes_stay(browser: Browser) -> None:
    await browser.bench.service.connections.configure("shop", {"hold_days": 7})
    reply = await browser.post("/connections/shop/rename", name="store")
    assert (reply.status, reply.headers["location"]) == (303, "/connections/store/settings")
    page = (await browser.get("/connections/store/settings")).text
    assert "Renamed shop to store." in page
    said = words(page)
    changes = said[said.index("Changes When") :]
    assert changes.index("Renamed a connection: shop → store") < changes.index("Keep anonymous events: 0 → 7")
    assert changes.index("Keep anonymous events: 0 → 7") < changes.index("Created a connection")


async def test_a_copy_is_paused_and_has_the_same_options(browser: Browser) -> None:
    reply = await browser.post("/connections/shop/duplicate", name="twin")
    assert (reply.status, reply.headers["location"]) == (303, "/connections/twin/settings")
    assert "It sends nothing until you resume it." in (await browser.get("/connections/twin/settings")).text
    assert [(one.name, one.paused) for one in await browser.bench.service.connections.all()] == [
        ("shop", False),
        ("twin", True),
    ]


@pytest.mark.parametrize("what", ["rename", "duplicate"])
async def test_a_name_that_cannot_be_is_said_beside_the_field(browser: Browser, what: str) -> None:
    reply = await browser.post(f"/connections/shop/{what}", name="shop")
    assert reply.status == 422
    assert "already exists" in reply.text
    assert 'aria-invalid="true"' in reply.text
    reply = await browser.post(f"/connections/shop/{what}", name="<b>")
    assert 'value="&lt;b&gt;"' in reply.text
    assert [one.name for one in await browser.bench.service.connections.all()] == ["shop"]


async def test_a_connection_that_has_the_name_of_an_earlier_one_has_its_own_changes_only(browser: Browser) -> None:
    await browser.bench.service.connections.configure("shop", {"hold_days": 7})
    await browser.bench.service.connections.remove("shop")
    await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    changes = await browser.bench.service.audit.changes("shop")
    assert [one.action for one in changes] == ["connection_made"]
