"""Data pipeline, install, settings, Connect PostHog: what a person does there, without script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, Reply, console_in
from service_bench import GOOD, REGION

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Response
from hogline.service.core import connection_named

pytestmark = pytest.mark.anyio

REFUSED = Response(401, {}, b"")
WRONG_KEY = "Customer.io rejected the credentials (401). Check the Site ID and the API Key."
TYPED = {
    **{option.key: str(option.default) for option in CUSTOMERIO.options if option.kind != "yes_no"},
    "site_id": "site",
    "api_key": "key",
}
"""The form as it is, with credentials."""


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


async def install(browser: Browser, do: str = "start", **typed: str) -> Reply:
    return await browser.post("/install/customerio", **{**TYPED, "do": do, **typed})


async def next_page(browser: Browser, reply: Reply) -> str:
    assert reply.status == 303, reply.text
    return (await browser.get(reply.headers["location"])).text


SEARCHES = [("", True), ("customer.io", True), ("CUSTOMER", True), ("events customers", True), ("pigeon", False)]


@pytest.mark.parametrize(("text", "is_found"), SEARCHES)
async def test_destinations_are_found_by_name_and_by_what_they_do(
    browser: Browser, text: str, *, is_found: bool
) -> None:
    page = (await browser.get(f"/?q={text.replace(' ', '+')}")).text
    assert ('href="/install/customerio"' in page) == is_found
    assert ("No match" in page) != is_found


async def test_install_and_start(browser: Browser) -> None:
    page = await next_page(browser, await install(browser, events="signed up, ordered"))
    assert "customerio is ready. Now send events from PostHog." in page
    (made,) = await browser.bench.service.connections.all()
    assert not made.paused
    assert made.options["events"] == "signed up, ordered"


async def test_what_was_said_is_said_once(browser: Browser) -> None:
    page = await next_page(browser, await install(browser))
    assert "customerio is ready. Now send events from PostHog." in page
    assert "customerio is ready." not in (await browser.get("/connect-posthog")).text


async def test_install_without_enabling_under_a_name(browser: Browser) -> None:
    assert "Saved shop." in await next_page(browser, await install(browser, do="save", name="shop"))
    (made,) = await browser.bench.service.connections.all()
    assert (made.name, made.paused) == ("shop", True)


async def test_a_wrong_key_is_a_sentence_and_keeps_nothing_but_what_was_typed(browser: Browser) -> None:
    browser.bench.customerio.check = REFUSED
    reply = await install(browser, events="signed up", identify_by="email", anonymous_users="emails")
    assert reply.status == 422
    assert f"{WRONG_KEY} Nothing was saved." in reply.text
    assert 'value="signed up"' in reply.text
    assert 'value="emails" checked' in reply.text
    assert 'name="identify_by" value="email" checked' in reply.text
    assert await browser.bench.service.connections.all() == []


async def test_testing_a_connection_tells_and_keeps_nothing(browser: Browser) -> None:
    reply = await install(browser, do="test")
    assert reply.status == 200
    assert "The credentials work: workspace 1, US region. Nothing has been saved yet." in reply.text
    browser.bench.customerio.check = REFUSED
    assert WRONG_KEY in (await install(browser, do="test")).text
    assert await browser.bench.service.connections.all() == []


async def test_every_problem_is_told_at_its_field(browser: Browser) -> None:
    reply = await install(browser, site_id="", api_key="a b", max_requests_per_second="5000")
    assert reply.status == 422
    for key, sentence in (
        ("site_id", "Customer.io Site ID is missing."),
        ("api_key", "Customer.io API Key contains blanks"),
        ("max_requests_per_second", "must be a whole number from 1 to 1000."),
    ):
        at_field = reply.text.split(f'id="option-{key}-problem"')[1].split("</div>")[0]
        assert sentence in at_field
        assert f'aria-describedby="option-{key}-hint option-{key}-problem" aria-invalid="true"' in reply.text
        assert f'href="#option-{key}"' in reply.text
    assert 'value="5000"' in reply.text


async def test_another_address_than_those_proposed_can_be_typed(browser: Browser) -> None:
    await install(browser, tracking_endpoint="other", **{"tracking_endpoint-other": "http://127.0.0.1:9000"})
    (made,) = await browser.bench.service.connections.all()
    assert made.options["tracking_endpoint"] == "http://127.0.0.1:9000"
    page = (await browser.get("/connections/customerio/settings")).text
    assert 'value="other" checked' in page
    assert 'value="http://127.0.0.1:9000"' in page


async def test_settings_show_what_is_set_but_no_secret(browser: Browser) -> None:
    await browser.bench.service.connections.add(
        "customerio", {**GOOD, "event_allowlist": "x", "identify_by_email": True}
    )
    page = (await browser.get("/connections/customerio/settings")).text
    assert 'name="events" value="x"' in page
    assert 'name="identify_by" value="email" checked' in page
    assert page.count("Saved. Leave empty to keep it.") == 2


@pytest.mark.parametrize("do", ["save", "test", "start"])
async def test_another_host_asks_for_the_secrets_again_at_their_fields(browser: Browser, do: str) -> None:
    await browser.bench.service.connections.add("customerio", GOOD)
    elsewhere = {"tracking_endpoint": "other", "tracking_endpoint-other": "https://evil.example"}
    reply = await browser.post(
        "/connections/customerio/settings", **{**TYPED, "site_id": "", "api_key": "", **elsewhere, "do": do}
    )
    assert reply.status == 422
    for title, key in (("Site ID", "site_id"), ("API Key", "api_key")):
        at_field = reply.text.split(f'id="option-{key}-problem"')[1].split("</div>")[0]
        assert f"Enter Customer.io {title} again. The stored one is only sent to https://track.customer.io." in at_field
    (connection,) = await browser.bench.service.connections.all()
    assert "tracking_endpoint" not in connection.options


async def test_a_secret_that_is_left_empty_stays(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD)
    reply = await browser.post(
        "/connections/customerio/settings",
        **{**TYPED, "site_id": "", "api_key": "", "events": "x", "do": "save"},
    )
    assert "Saved customerio." in await next_page(browser, reply)
    connection = await connection_named(browser.bench.service.state, "customerio")
    assert {**connection.options, **GOOD, "events": "x"} == connection.options


async def test_settings_are_tested_with_the_secrets_that_are_set(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD)
    reply = await browser.post(
        "/connections/customerio/settings", **{**TYPED, "site_id": "", "api_key": "", "do": "test"}
    )
    assert "The credentials work" in reply.text


async def test_a_refused_change_changes_nothing(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD)
    browser.bench.customerio.check = REFUSED
    reply = await browser.post("/connections/customerio/settings", **{**TYPED, "events": "x", "do": "save"})
    assert reply.status == 422
    assert f"{WRONG_KEY} Nothing was changed." in reply.text
    assert "events" not in (await browser.bench.service.connections.all())[0].options


async def test_saving_a_paused_connection_can_resume_it(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, paused=True)
    reply = await browser.post("/connections/customerio/settings", **{**TYPED, "do": "start"})
    assert "Resumed customerio." in await next_page(browser, reply)
    assert not (await browser.bench.service.connections.all())[0].paused


@pytest.mark.parametrize("where", ["switch", "pause"])
async def test_pause_and_resume(browser: Browser, where: str) -> None:
    await browser.bench.service.connections.add("customerio", GOOD)
    reply = await browser.post(f"/connections/customerio/{where}", run="no")
    assert "Paused customerio." in await next_page(browser, reply)
    assert (await browser.bench.service.connections.all())[0].paused
    reply = await browser.post(f"/connections/customerio/{'switch' if where == 'switch' else 'resume'}", run="yes")
    assert "Resumed customerio." in await next_page(browser, reply)
    assert not (await browser.bench.service.connections.all())[0].paused


@pytest.mark.parametrize("where", ["switch", "resume"])
async def test_enabling_with_credentials_that_are_refused_says_so(browser: Browser, where: str) -> None:
    await browser.bench.service.connections.add("customerio", GOOD, paused=True)
    browser.bench.customerio.check = REFUSED
    reply = await browser.post(f"/connections/customerio/{where}", run="yes")
    assert reply.status == 422
    assert f"{WRONG_KEY} customerio is still paused." in reply.text
    browser.bench.customerio.check = REGION


async def test_disconnect_asks_and_does_it_only_then(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", GOOD)
    assert "You cannot undo this." in (await browser.get("/connections/customerio/disconnect")).text
    assert len(await browser.bench.service.connections.all()) == 1
    page = await next_page(browser, await browser.post("/connections/customerio/disconnect"))
    assert "Disconnected customerio." in page
    assert "No connections yet" in page


async def test_a_script_is_told_to_leave_a_form_that_was_taken(browser: Browser) -> None:
    headers = {"sec-fetch-site": "same-origin", "x-part": "1"}
    reply = await browser.post("/install/customerio", headers, **{**TYPED, "do": "start"})
    assert (reply.status, reply.headers["x-go-to"]) == (204, "/connect-posthog")


async def test_a_connections_card_shows_its_events_failures_and_reason(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sparkline(_connection: str) -> list[int]:
        return [0] * 22 + [1_000, 234]

    monkeypatch.setattr(browser.bench.service.trends, "sparkline", sparkline)
    await browser.bench.service.connections.add("customerio", GOOD)
    page = (await browser.get("/")).text
    assert 'aria-label="1,234 events in the last 24 hours, by hour"' in page
    assert "No failures" in page
    assert 'aria-checked="true"' in page


async def test_before_anything_arrived_it_says_what_is_waited_for(browser: Browser) -> None:
    assert "No connections yet" in (await browser.get("/")).text
    await browser.bench.service.connections.add("customerio", GOOD)
    assert "No events yet" in (await browser.get("/")).text
    assert "Waiting for the first event." in (await browser.get("/connect-posthog")).text


async def test_connect_posthog_gives_what_to_paste_and_the_newest_event(browser: Browser) -> None:
    token = await browser.bench.service.project_tokens.show()
    page = (await browser.get("/connect-posthog")).text
    assert token.webhook_url in page
    assert f"Bearer {token.token}" in page
    assert "{&#34;event&#34;: &#34;{event}&#34;, &#34;person&#34;: &#34;{person}&#34;}" in page
    await browser.receive("earlier", "user-6")
    page = (await browser.get("/connect-posthog")).text
    assert "Waiting for the next event." in page
    refresh = re.search(r'data-refresh="([^"]+)"', page)
    assert refresh is not None
    await browser.receive("signed up", "user-7")
    page = (await browser.get(refresh[1])).text
    assert "Received:" in page
    assert "signed up" in page
    assert "user-7" in page


async def test_without_its_scripts_the_console_works(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = {name: url for name, url in browser.console.assets.urls.items() if not name.startswith("vendor/")}
    monkeypatch.setattr(browser.console.assets, "_urls", urls)
    page = await browser.get("/")
    assert page.status == 200
    assert "vendor" not in page.text
