"""A real Chromium before a real Hogline, with a sandbox Customer.io beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import chromium
import pytest
from playwright.async_api import Browser, Page, async_playwright
from stage import Stage, staged


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """For all browser tests one: a Chromium is not started anew for each."""
    return "asyncio"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Hogline as `hogline serve` runs it, its console, and a sandbox."""
    async with staged(tmp_path / "data") as made:
        yield made


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium; installed now if it is missing."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium.path(), args=chromium.ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser, stage: Stage) -> AsyncIterator[Page]:
    """A window that is signed in. What a script fails over, or the content security policy stops, fails the test."""
    context = await browser.new_context(base_url=stage.console)
    made = await context.new_page()
    made.set_default_timeout(10_000)
    failures: list[str] = []
    made.on("pageerror", lambda error: failures.append(str(error)))
    made.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    await stage.open(made)
    yield made
    await context.close()
    assert failures == []
