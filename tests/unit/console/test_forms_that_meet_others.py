"""Forms when somebody else was faster: two tabs, two clicks, a session that ended, a connection with a backlog."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from console_bench import OWN, Browser, console_in
from service_bench import GOOD, RECEIVED_MS

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event
from hogline.posthog.entry import encode_event

pytestmark = pytest.mark.anyio

TYPED = {
    **{option.key: str(option.default) for option in CUSTOMERIO.options if option.kind != "yes_no"},
    "site_id": "site",
    "api_key": "key",
}
SETTINGS = "/connections/shop/settings"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made


def typed_in(page: str) -> dict[str, str]:
    """The page's form of options, as a browser would send it untouched."""
    form = page[page.index('name="opened"') - 300 : page.index("</form>", page.index('name="opened"'))]
    values = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and not ({'type="radio"', 'type="checkbox"'} & set(tag.split()) and "checked" not in tag):
            values[name[1]] = html.unescape(value[1]) if value else ""
    return values


async def options(browser: Browser) -> dict[str, object]:
    return (await browser.bench.service.connections.all())[0].options


async def test_a_settings_tab_opened_earlier_does_not_undo_what_another_saved(browser: Browser) -> None:
    first, second = [typed_in((await browser.get(SETTINGS)).text) for _ in range(2)]
    await browser.post(SETTINGS, **{**first, "email_property": "mail", "do": "save"})
    reply = await browser.post(SETTINGS, **{**second, "hold_days": "7", "do": "save"})
    assert reply.status == 422
    assert "Somebody else changed shop in the meantime. Nothing was saved." in html.unescape(reply.text)
    assert "<bdi>email</bdi> → <bdi>mail</bdi>" in reply.text
    assert (await options(browser))["email_property"] == "mail"
    assert "hold_days" not in {key for key, value in (await options(browser)).items() if value == "7"}


@pytest.mark.parametrize(("do", "email"), [("merge", "mail"), ("overwrite", "email")])
async def test_then_one_can_keep_both_or_only_ones_own(browser: Browser, do: str, email: str) -> None:
    first, second = [typed_in((await browser.get(SETTINGS)).text) for _ in range(2)]
    await browser.post(SETTINGS, **{**first, "email_property": "mail", "do": "save"})
    mine = {**second, "hold_days": "7"}
    asked = await browser.post(SETTINGS, **{**mine, "do": "save"})
    seen = re.search(r'name="seen" value="([^"]*)"', asked.text)
    assert seen is not None
    reply = await browser.post(SETTINGS, **{**mine, "seen": html.unescape(seen[1]), "do": do})
    assert reply.status == 303
    now = await options(browser)
    assert (now.get("email_property", "email"), str(now["hold_days"])) == (email, "7")


async def test_what_was_seen_may_be_old_by_the_time_one_decides(browser: Browser) -> None:
    first, second = [typed_in((await browser.get(SETTINGS)).text) for _ in range(2)]
    await browser.post(SETTINGS, **{**first, "email_property": "mail", "do": "save"})
    asked = await browser.post(SETTINGS, **{**second, "do": "save"})
    seen = re.search(r'name="seen" value="([^"]*)"', asked.text)
    assert seen is not None
    await browser.bench.service.connections.configure("shop", {"email_property": "post"})
    reply = await browser.post(SETTINGS, **{**second, "seen": html.unescape(seen[1]), "do": "overwrite"})
    assert reply.status == 422
    assert (await options(browser))["email_property"] == "post"


async def test_a_form_whose_hidden_fields_are_broken_is_an_error_and_no_crash(browser: Browser) -> None:
    assert (await browser.post(SETTINGS, opened="{", do="save")).status == 400


async def test_two_clicks_install_one_connection(browser: Browser) -> None:
    form = {**TYPED, "name": "", "do": "start", "once": "number-1"}
    browser.bench.customerio.open.clear()
    clicks = [asyncio.create_task(browser.post("/install/customerio", **form)) for _ in range(2)]
    await browser.bench.customerio.asked.wait()
    browser.bench.customerio.open.set()
    first, second = [await click for click in clicks]
    assert (
        (first.status, first.headers["location"])
        == (second.status, second.headers["location"])
        == (303, second.headers["location"])
    )
    third = await browser.post("/install/customerio", **form)
    assert third.headers["location"] == first.headers["location"]
    assert [one.name for one in await browser.bench.service.connections.all()] == ["shop", "customerio"]


async def test_a_form_that_was_not_taken_can_be_sent_again(browser: Browser) -> None:
    form = {**TYPED, "site_id": "", "name": "", "do": "start", "once": "number-1"}
    assert (await browser.post("/install/customerio", **form)).status == 422
    assert (await browser.post("/install/customerio", **{**form, "site_id": "site"})).status == 303


async def test_a_second_click_shows_the_api_token_that_the_first_made(browser: Browser) -> None:
    form = {"do": "make", "name": "ci", "role": "viewer", "days": "90", "once": "number-1"}
    first, second = [await browser.post("/api-tokens", **form) for _ in range(2)]
    made = re.search(r"hogapi_\w+|hog_api_\w+|<code>([^<]{20,})</code>", first.text)
    assert made is not None
    assert made[0] in second.text


async def test_every_form_has_a_number_of_its_own(browser: Browser) -> None:
    page = (await browser.get("/accounts")).text
    numbers = re.findall(r'name="once" value="([^"]+)"', page)
    assert len(set(numbers)) == len(numbers) >= 2


async def test_a_session_that_ends_loses_nothing_that_was_typed(browser: Browser) -> None:
    await browser.bench.service.accounts.set_password("another password 1")
    reply = await browser.post(SETTINGS, event_allowlist='Order "Completed"', do="save", once="1")
    assert reply.status == 401
    assert 'name="event_allowlist" value="Order &#34;Completed&#34;"' in reply.text
    assert f'action="{SETTINGS}"' in reply.text
    assert 'name="once"' not in reply.text


async def test_a_script_keeps_what_was_typed_in_the_page_when_the_session_has_ended(browser: Browser) -> None:
    await browser.bench.service.accounts.set_password("another password 1")
    reply = await browser.post(SETTINGS, {**OWN, "x-part": "1"}, event_allowlist="x", do="save")
    assert (reply.status, reply.text) == (401, "")


async def test_an_error_is_no_page_whose_parts_could_be_taken(browser: Browser) -> None:
    assert (await browser.get("/connections/nobody/people", x_part="1")).headers["x-error"] == "404"
    assert "x-error" not in (await browser.get("/connections/shop/people", x_part="1")).headers


async def test_the_first_field_with_a_problem_is_where_one_begins(browser: Browser) -> None:
    reply = await browser.post("/install/customerio", site_id="", api_key="", do="start")
    assert reply.text.count(" autofocus") == 1
    assert re.search(r'id="option-site_id"[^>]* autofocus', reply.text)


# a backlog


async def paused_with(browser: Browser, *people: str) -> None:
    await browser.bench.service.connections.pause("shop")
    for who in people:
        event = Event(str(uuid4()), "Order Completed", who, RECEIVED_MS, RECEIVED_MS, {})
        await browser.bench.service.journal.append([encode_event(event)])


async def counted(browser: Browser) -> str:
    while "still counting" in (page := (await browser.get("/connections/shop/resume")).text):
        await asyncio.sleep(0)
    return page


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/connections/shop/switch", {"run": "yes"}),
        ("/connections/shop/overview", {"do": "resume"}),
        ("/connections/shop/resume", {}),
    ],
)
async def test_resuming_with_a_backlog_asks_first(browser: Browser, path: str, form: dict[str, str]) -> None:
    await browser.bench.service.connections.configure("shop", {"anonymous_users": "all"})
    await paused_with(browser, "ada", "bob", "bob")
    assert "<b>3</b> pending" in (await browser.get("/")).text
    reply = await browser.post(path, **form)
    assert reply.headers["location"].startswith("/connections/shop/resume?next=")
    assert (await browser.bench.service.connections.all())[0].paused
    page = await counted(browser)
    assert "<b>3 events</b>" in page
    assert "<b>2 new customers</b>" in page


async def test_what_waits_can_be_sent(browser: Browser) -> None:
    await paused_with(browser, "ada")
    reply = await browser.post("/connections/shop/resume", do="all", next="/")
    assert reply.headers["location"] == "/"
    status = (await browser.bench.service.status.show()).connections[0]
    assert (status.paused, status.filtered.get("skipped")) == (False, None)


async def test_or_left_out_and_counted(browser: Browser) -> None:
    await paused_with(browser, "ada", "bob")
    await browser.post("/connections/shop/resume", do="from-now-on", next="//elsewhere.example")
    status = (await browser.bench.service.status.show()).connections[0]
    assert (status.paused, status.filtered, status.pending) == (False, {"skipped": 2}, 0)


async def test_without_a_backlog_nothing_is_asked(browser: Browser) -> None:
    await paused_with(browser)
    reply = await browser.post("/connections/shop/switch", run="yes")
    assert reply.headers["location"] == "/"
    assert not (await browser.bench.service.connections.all())[0].paused


async def test_resuming_with_credentials_that_are_refused_says_so(browser: Browser) -> None:
    await paused_with(browser, "ada")
    browser.bench.customerio.check = browser.bench.customerio.check.__class__(401, {}, b"{}")
    reply = await browser.post("/connections/shop/resume", do="all", next="/")
    assert reply.status == 422
    assert "shop is still paused." in reply.text
