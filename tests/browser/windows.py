"""Windows of Chromium that somebody watches: what goes wrong in one fails its test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, expect

DEADLINE_MS = 10_000
expect.set_options(timeout=DEADLINE_MS)

_NO_ROBOT = """
for (const [name, value] of [['webdriver', false], ['userAgent', navigator.userAgent.replace('Headless', '')]])
  Object.defineProperty(Navigator.prototype, name, { get: () => value })
"""


@asynccontextmanager
async def window(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A window of its own, without cookies; paths are relative to `url`. What a script fails over, or a content
    security policy stops, fails the test when it closes.
    """
    context = await browser.new_context(base_url=url)
    page = await context.new_page()
    failures = _watched(page)
    yield page
    await context.close()
    assert [each for each in failures if each.startswith("script: ") or "Content Security Policy" in each] == []


@asynccontextmanager
async def visit(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A visitor's window on a site. Whatever Chromium writes down there as an error or a warning fails the test, and so
    does a request that fails.
    """
    # posthog-js drops the events of robots, and Chromium without a screen says in two places that it is one. Not by the
    # context's `user_agent`: that holds no more when a page is left, and what it says then would be dropped.
    context = await browser.new_context(base_url=url)
    await context.add_init_script(_NO_ROBOT)
    page = await context.new_page()
    failures = _watched(page)
    page.on(
        "response",
        lambda said: failures.append(f"{said.status} {said.url}") if not said.ok and said.status != 304 else None,
    )
    yield page
    await context.close()
    assert failures == []


def _watched(page: Page) -> list[str]:
    """What goes wrong on the page from now on."""
    page.set_default_timeout(DEADLINE_MS)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(f"script: {error}"))
    page.on(
        "console",
        lambda said: (
            failures.append(f"{said.text} {said.location['url']}") if said.type in {"error", "warning"} else None
        ),
    )
    return failures
