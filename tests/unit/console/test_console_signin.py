"""Signing in: accounts and passwords, wrong ones that wait, sessions that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import OWN, PASSWORD, Browser, console_in
from pydantic import SecretStr
from starlette.requests import Request

from hogline.console.attempts import FREE, FREE_OF_ADDRESS, LONGEST_PAUSE_S, MOST_WAITING, Attempts, TooMany
from hogline.console.pages import own_path
from hogline.console.sessions import IDLE_S, LONGEST_S, RENEW_AFTER_S
from hogline.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path, signed_in=False) as made:
        yield made


async def is_signed_in(browser: Browser) -> bool:
    return (await browser.get("/")).status == 200


async def test_the_password_opens_the_console(browser: Browser) -> None:
    assert not await is_signed_in(browser)
    reply = await browser.sign_in()
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert await is_signed_in(browser)


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "x" * 10_000])
async def test_another_does_not_and_is_not_shown_again(browser: Browser, password: str) -> None:
    reply = await browser.sign_in(password)
    assert reply.status == 403
    assert "Wrong account or password." in reply.text
    assert not password or password not in reply.text
    assert reply.cookies == []


@pytest.mark.parametrize(
    ("settings", "secure"), [({}, False), ({"console_url": "https://console.example.org"}, True)], ids=["http", "https"]
)
async def test_no_script_and_no_other_site_gets_the_cookie(
    tmp_path: Path, settings: dict[str, str], *, secure: bool
) -> None:
    async with console_in(tmp_path, signed_in=False, **settings) as browser:
        cookie, _ = (await browser.sign_in()).cookies
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert ("Secure" in cookie) == secure


async def test_one_comes_back_to_where_one_was_sent_away_from(browser: Browser) -> None:
    reply = await browser.get("/install/customerio?x=1&y=2")
    door = reply.headers["location"]
    assert door == "/sign-in?next=%2Finstall%2Fcustomerio%3Fx%3D1%26y%3D2"
    assert 'value="/install/customerio?x=1&amp;y=2"' in (await browser.get(door)).text
    reply = await browser.post("/sign-in", password=PASSWORD, next="/install/customerio?x=1&y=2")
    assert reply.headers["location"] == "/install/customerio?x=1&y=2"


ELSEWHERE = ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "", "/\n/evil"]


@pytest.mark.parametrize("to", ELSEWHERE)
def test_no_link_to_the_door_leads_elsewhere_behind_it(to: str) -> None:
    assert own_path(to) == "/"


async def test_a_session_ends_when_nothing_was_asked_for_twelve_hours(browser: Browser) -> None:
    await browser.sign_in()
    browser.now_s += IDLE_S - 1
    assert await is_signed_in(browser)
    browser.now_s += IDLE_S - 1  # it was used meanwhile
    assert await is_signed_in(browser)
    browser.now_s += IDLE_S + 1
    assert not await is_signed_in(browser)


async def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(browser: Browser) -> None:
    await browser.sign_in()
    browser.now_s += RENEW_AFTER_S + 1
    assert (await browser.get("/", x_part="1")).cookies == []
    assert (await browser.get("/")).cookies != []


async def test_signing_out_ends_the_session_wherever_its_cookie_is(browser: Browser) -> None:
    await browser.sign_in()
    stolen = dict(browser.cookies)
    await browser.post("/sign-out")
    assert not await is_signed_in(browser)
    browser.cookies = stolen
    assert not await is_signed_in(browser)


async def test_signing_out_ends_no_other_session(browser: Browser) -> None:
    await browser.sign_in()
    other = dict(browser.cookies)
    browser.cookies = {}
    await browser.sign_in()
    await browser.post("/sign-out")
    browser.cookies = other
    assert await is_signed_in(browser)


async def test_a_new_password_ends_all_sessions(browser: Browser) -> None:
    await browser.sign_in()
    await browser.bench.service.accounts.set_password("another password")
    assert not await is_signed_in(browser)
    assert (await browser.sign_in(PASSWORD)).status == 403
    assert (await browser.sign_in("another password")).status == 303


async def test_a_cookie_that_was_made_up_opens_nothing(browser: Browser) -> None:
    await browser.sign_in()
    for name, value in list(browser.cookies.items()):
        if name.endswith("_known"):
            continue
        for forged in ("", "x", "x" + value, value[:-1], value + "x", value.replace(".", "..")):
            browser.cookies = {name: forged}
            assert not await is_signed_in(browser)


async def test_the_settings_password_goes_before_the_kept_one_and_ends_sessions_when_it_changes(tmp_path: Path) -> None:
    async with console_in(tmp_path, signed_in=False, console_password="of the settings") as browser:
        assert (await browser.sign_in()).status == 403
        assert (await browser.sign_in("of the settings")).status == 303
        assert await is_signed_in(browser)
        restarted = Browser(browser.bench, Settings(data=tmp_path, console_password=SecretStr("another one")))
        restarted.cookies = browser.cookies
        assert not await is_signed_in(restarted)


async def test_wrong_ones_wait_longer_and_longer_and_nobody_is_refused(browser: Browser) -> None:
    waits = []
    for _ in range(FREE + 8):
        before = browser.slept_s
        assert (await browser.sign_in("wrong password")).status == 403
        waits.append(browser.slept_s - before)
    assert waits == [0.0] * FREE + [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


async def test_the_right_one_gets_in_after_any_number_of_wrong_ones(browser: Browser) -> None:
    for _ in range(60):
        await browser.sign_in("wrong password")
    before = browser.slept_s
    assert (await browser.sign_in()).status == 303
    assert browser.slept_s - before <= LONGEST_PAUSE_S


async def test_whoever_tries_elsewhere_slows_nobody_down(browser: Browser) -> None:
    browser.address = "192.0.2.1"
    for _ in range(60):
        await browser.sign_in("wrong password")
    browser.address, before = "192.0.2.2", browser.slept_s
    assert (await browser.sign_in()).status == 303
    assert browser.slept_s == before


async def test_a_browser_that_signed_in_before_waits_for_nobody_behind_the_same_address(browser: Browser) -> None:
    await browser.sign_in()
    await browser.post("/sign-out")
    known, browser.cookies = browser.cookies, {}
    for _ in range(60):
        await browser.sign_in("wrong password")
    browser.cookies, before = known, browser.slept_s
    assert (await browser.sign_in()).status == 303
    assert browser.slept_s == before


async def test_the_mark_of_a_known_browser_is_no_other_accounts_and_ends_with_the_password(browser: Browser) -> None:
    await browser.bench.service.accounts.add("ada", "viewer", "a password of Ada's")
    await browser.sign_in()
    await browser.post("/sign-out")
    sessions, request = browser.console.sessions, Request({"type": "http", "headers": [(b"cookie", cookies(browser))]})
    assert sessions.known_browser(request, "admin")
    assert not sessions.known_browser(request, "ada")
    await browser.bench.service.accounts.set_password("another password")
    assert not sessions.known_browser(request, "admin")


def cookies(browser: Browser) -> bytes:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()


async def test_behind_a_trusted_proxy_everybody_has_an_address_of_their_own(tmp_path: Path) -> None:
    async with console_in(tmp_path, signed_in=False, trusted_proxies="10.0.0.0/8") as browser:
        browser.address = "10.0.0.1"
        for _ in range(60):
            await browser.post("/sign-in", {**OWN, "x-forwarded-for": "192.0.2.1"}, password="wrong password")
        before = browser.slept_s
        reply = await browser.post("/sign-in", {**OWN, "x-forwarded-for": "192.0.2.2"}, password=PASSWORD)
        assert reply.status == 303
        assert browser.slept_s == before


async def test_other_accounts_of_an_address_are_tried_slowly_too() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def wrong() -> bool:
        return False

    attempts = Attempts(lambda: 0.0, sleep)
    for n in range(FREE_OF_ADDRESS + 3):
        assert not await attempts.check(f"account-{n}", "192.0.2.1", "", wrong)
    assert slept == [1.0, 2.0, 4.0]


async def test_many_at_once_come_one_after_the_other_and_too_many_are_told_so() -> None:
    going, most = 0, 0
    release = asyncio.Event()

    async def right() -> bool:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await release.wait()
        going -= 1
        return True

    attempts = Attempts(lambda: 0.0)
    tasks = [asyncio.create_task(attempts.check("admin", "192.0.2.1", "", right)) for _ in range(MOST_WAITING + 2)]
    known = asyncio.create_task(attempts.check("admin", "192.0.2.1", "known", right))
    while sum(task.done() for task in tasks) < 2:
        await asyncio.sleep(0)
    release.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes.count(True) == MOST_WAITING
    assert sum(isinstance(outcome, TooMany) for outcome in outcomes) == 2
    assert await known
    assert most <= 2  # one, and one that is known


async def test_whoever_knows_the_password_may_mistype_it_again(browser: Browser) -> None:
    for _ in range(3):
        for _ in range(FREE):
            assert (await browser.sign_in("wrong password")).status == 403
        assert (await browser.sign_in()).status == 303
    assert browser.slept_s <= 3 * 1.0


async def test_a_session_ends_after_seven_days_however_much_it_is_used(browser: Browser) -> None:
    await browser.sign_in()
    began_s = browser.now_s
    while browser.now_s - began_s <= LONGEST_S - IDLE_S:
        browser.now_s += IDLE_S - 10
        assert await is_signed_in(browser)
    browser.now_s = began_s + LONGEST_S + 1
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
async def test_light_or_dark_is_chosen_and_stays(browser: Browser, theme: str) -> None:
    await browser.sign_in()
    reply = await browser.post("/theme", theme=theme, next="/connect-posthog")
    assert reply.headers["location"] == "/connect-posthog"
    assert f'data-theme="{theme}"' in (await browser.get("/")).text


async def test_there_is_no_other_theme(browser: Browser) -> None:
    assert (await browser.post("/theme", theme='"><script>')).cookies == []
