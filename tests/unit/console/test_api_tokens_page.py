"""The page of the API's tokens: one is shown once, in the answer to the form and nowhere else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in

pytestmark = pytest.mark.anyio

PAGE = "/api-tokens"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


async def made_token(browser: Browser, name: str = "reports") -> str:
    reply = await browser.post(PAGE, do="make", name=name)
    assert reply.status == 200
    return str(re.findall(r"hogapi_[\w-]+", reply.text)[0])


async def test_a_token_that_was_made_opens_the_api(browser: Browser) -> None:
    token = await made_token(browser)
    reply = await browser.ask("GET", "/api/status", {"authorization": f"Bearer {token}"})
    assert reply.status == 200


async def test_a_token_is_shown_once(browser: Browser) -> None:
    token = await made_token(browser)
    page = (await browser.get(PAGE)).text
    assert "reports" in page
    assert token not in page
    assert not any(token in cookie for cookie in browser.cookies.values())


async def test_a_revoked_token_opens_nothing(browser: Browser) -> None:
    token = await made_token(browser)
    reply = await browser.post(PAGE, do="revoke", name="reports")
    assert (reply.status, reply.headers["location"]) == (303, PAGE)
    assert (await browser.ask("GET", "/api/status", {"authorization": f"Bearer {token}"})).status == 401


async def test_a_name_that_cannot_be_used_is_told_at_its_field(browser: Browser) -> None:
    await made_token(browser)
    reply = await browser.post(PAGE, do="make", name="reports")
    assert reply.status == 422
    assert "already exists" in reply.text
    assert 'value="reports"' in reply.text


async def test_a_session_does_not_open_the_api(browser: Browser) -> None:
    assert (await browser.get("/api/status")).status == 401


async def test_a_page_of_another_origin_cannot_use_a_token(browser: Browser) -> None:
    token = await made_token(browser)
    elsewhere = {"authorization": f"Bearer {token}", "sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    reply = await browser.ask("POST", "/api/connections", elsewhere, b"{}")
    assert (reply.status, reply.headers["content-type"]) == (403, "application/json")


async def test_a_body_beyond_all_limits_is_refused(browser: Browser) -> None:
    token = await made_token(browser)
    reply = await browser.ask("POST", "/api/connections", {"authorization": f"Bearer {token}"}, b" " * 2_000_000)
    assert reply.status == 413
    assert reply.headers["content-type"] == "application/json"
