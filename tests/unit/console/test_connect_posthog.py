"""Connect PostHog: what Hogline rejected, with what to correct, and an address that PostHog cannot reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from events_bench import words

from hogline.console.posthog import is_only_here
from hogline.sources.asgi import problem

pytestmark = pytest.mark.anyio

CONNECT = "/connect-posthog"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        yield made


async def test_rejected_requests_are_shown_with_what_to_correct(browser: Browser) -> None:
    service = browser.bench.service
    for _ in range(8):
        service.rejections.note(
            "/webhook", problem(401, "The token is unknown. Run `hogline token`."), 1_793_527_200_000
        )
    service.rejections.note("/webhook", problem(400, "PostHog did not fill in <b>{event}</b>."), 1_793_527_200_000)
    page = (await browser.get(CONNECT)).text
    said = words(page)
    assert "Requests that Hogline rejected" in said
    assert said.index("PostHog did not fill in") < said.index("The token is unknown.")
    assert "8 times" in said
    assert "<b>{event}" not in page
    assert "Run <code>hogline token</code>." in page


async def test_without_any_nothing_is_said_of_them(browser: Browser) -> None:
    assert "rejected" not in words((await browser.get(CONNECT)).text)


@pytest.mark.parametrize(("url", "is_told"), [("http://127.0.0.1:8000", True), ("https://in.example.com", False)])
async def test_an_address_that_posthog_cannot_reach_is_told_with_what_to_do(
    browser: Browser, url: str, *, is_told: bool
) -> None:
    browser.console.service.addresses.receives = url
    said = words((await browser.get(CONNECT)).text)
    assert ("PostHog Cloud cannot reach" in said) == is_told
    assert ("HOGLINE_PUBLIC_URL" in said) == is_told


@pytest.mark.parametrize(
    ("url", "only_here"),
    [
        ("http://localhost:8000", True),
        ("http://hogline.local", True),
        ("http://10.0.0.7", True),
        ("http://192.168.1.2:8000", True),
        ("http://[::1]:8000", True),
        ("https://hogline.internal", True),
        ("https://8.8.8.8", False),
        ("https://hogline.example.com", False),
    ],
)
def test_which_addresses_are_only_here(url: str, *, only_here: bool) -> None:
    assert is_only_here(url) == only_here
