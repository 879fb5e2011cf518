"""A real Chromium before a real Hogline, with a sandbox Customer.io beside it."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import chromium
import pytest
from playwright.async_api import Browser, Page, async_playwright
from stage import Stage, staged
from windows import window

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "system"))  # processes.py, for those who want Hogline as a process


def pytest_collection_finish(session: pytest.Session) -> None:
    """Chromium is installed before the tests begin: that may take longer than one of them."""
    if not session.config.option.collectonly and any(HERE in item.path.parents for item in session.items):
        chromium.install()


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
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium.path(), args=chromium.ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser, stage: Stage) -> AsyncIterator[Page]:
    """A window on the console, signed in."""
    async with window(browser, stage.console) as made:
        await stage.open(made)
        yield made
