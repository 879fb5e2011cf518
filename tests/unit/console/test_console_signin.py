"""Signing in: one password, few attempts, sessions that end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import PASSWORD, Browser, console_in
from pydantic import SecretStr

from hogline.console.attempts import FROM_ONE_ADDRESS, IN_ALL, WITHIN_S, Attempts
from hogline.console.pages import own_path
from hogline.console.sessions import IDLE_S, RENEW_AFTER_S
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
    assert "This is not the password." in reply.text
    assert not password or password not in reply.text
    assert reply.cookies == []


@pytest.mark.parametrize(
    ("settings", "secure"), [({}, False), ({"console_url": "https://console.example.org"}, True)], ids=["http", "https"]
)
async def test_no_script_and_no_other_site_gets_the_cookie(
    tmp_path: Path, settings: dict[str, str], *, secure: bool
) -> None:
    async with console_in(tmp_path, signed_in=False, **settings) as browser:
        (cookie,) = (await browser.sign_in()).cookies
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
    assert (await browser.get("/", hx_request="true")).cookies == []
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
    await browser.bench.service.set_console_password("another password")
    assert not await is_signed_in(browser)
    assert (await browser.sign_in(PASSWORD)).status == 403
    assert (await browser.sign_in("another password")).status == 303


async def test_a_cookie_that_was_made_up_opens_nothing(browser: Browser) -> None:
    await browser.sign_in()
    for name, value in list(browser.cookies.items()):
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


async def test_after_five_wrong_ones_an_address_has_to_wait_and_is_told_how_long(browser: Browser) -> None:
    for _ in range(FROM_ONE_ADDRESS):
        assert (await browser.sign_in("wrong")).status == 403
    reply = await browser.sign_in()
    assert (reply.status, reply.headers["retry-after"]) == (429, "300")
    assert "Too many attempts. Try again in 5 minutes." in reply.text
    browser.address = "192.0.2.1"
    assert (await browser.sign_in("wrong")).status == 403
    browser.address = "127.0.0.1"
    browser.now_s += WITHIN_S
    assert (await browser.sign_in()).status == 303


async def test_whoever_knows_the_password_may_mistype_it_again(browser: Browser) -> None:
    for _ in range(3):
        for _ in range(FROM_ONE_ADDRESS - 1):
            assert (await browser.sign_in("wrong")).status == 403
        assert (await browser.sign_in()).status == 303


def test_in_all_there_are_not_many_attempts_either() -> None:
    attempts = Attempts(lambda: 0.0)
    waits = [attempts.begin(f"192.0.2.{n}") for n in range(IN_ALL + 1)]
    assert waits == [0.0] * IN_ALL + [WITHIN_S]


def test_an_attempt_that_had_to_wait_makes_nobody_wait_longer() -> None:
    now_s = 0.0
    attempts = Attempts(lambda: now_s)
    for _ in range(FROM_ONE_ADDRESS):
        attempts.begin("a")
    now_s = 100.0
    assert attempts.begin("a") == WITHIN_S - 100
    now_s = WITHIN_S
    assert attempts.begin("a") == 0.0


def test_whoever_knows_the_password_starts_anew() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(3 * FROM_ONE_ADDRESS):
        assert attempts.begin("a") == 0.0
        attempts.succeeded("a")


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
async def test_light_or_dark_is_chosen_and_stays(browser: Browser, theme: str) -> None:
    await browser.sign_in()
    reply = await browser.post("/theme", theme=theme, next="/connect-posthog")
    assert reply.headers["location"] == "/connect-posthog"
    assert f'data-theme="{theme}"' in (await browser.get("/")).text


async def test_there_is_no_other_theme(browser: Browser) -> None:
    assert (await browser.post("/theme", theme='"><script>')).cookies == []
