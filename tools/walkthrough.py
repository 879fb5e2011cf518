#!/usr/bin/env python3
"""Walks through the product's story as a person does, and takes a picture of every page on the way.

A fresh Hogline, its console and a shop with the real posthog-js are opened in Chromium: sign in, install Customer.io,
copy the snippet, visit the shop, sign up, order, and see the customer arrive. Then every page is opened with a day's
data, on the first day, in an outage and stopped: light and dark, 390 and 1440 pixels wide. The pictures go to
`dist/walkthrough`. It fails if the story does, if axe finds anything on a page, or if a page is wider than its window.
Words as arguments choose pages.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from itertools import count
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests"), str(ROOT / "tools")]

import chromium  # noqa: E402  # tests/browser is on the path only now
from screenshots import PAGES, chosen, photograph, play, states  # noqa: E402
from shop import shop  # noqa: E402
from stage import Stage, staged  # noqa: E402
from windows import visit, window  # noqa: E402

FOLDER = ROOT / "dist" / "walkthrough"


class Story:
    """What one person does, with a numbered picture of every step."""

    def __init__(self, browser: Browser, stage: Stage, page: Page) -> None:
        self._browser = browser
        self._stage = stage
        self._page = page
        self._numbers = count(1)

    async def picture(self, name: str) -> None:
        file = FOLDER / f"story-{next(self._numbers):02}-{name}.png"
        await self._page.evaluate("window.scrollTo(0, 0)")
        await self._page.screenshot(path=file, full_page=True)
        print(file.relative_to(ROOT))

    async def tell(self) -> None:
        page = self._page
        await self._stage.sign_in(page)
        await self.picture("signed-in")
        await self._install()
        await self._visit_the_shop()
        await page.goto("/connections/customerio/overview")
        await expect(page.locator("#standing")).to_contain_text("Up to date.")
        await self.picture("overview")
        await page.goto("/connections/customerio/people")
        await page.locator("#people").get_by_role("link", name="user_1").click()
        await expect(page.locator("main")).to_contain_text("ada@example.com")
        await self.picture("person")
        await page.get_by_role("link", name="All events of this person").click()
        await page.locator("#events").get_by_role("link", name="order completed").first.click()
        await expect(page.locator("#attempts")).to_contain_text("accepted")
        await self.picture("event")

    async def _install(self) -> None:
        page = self._page
        await page.get_by_label("Search destinations").fill("Customer.io")
        await page.get_by_role("link", name="Install Customer.io").click()
        await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
        await page.get_by_label("Customer.io API Key").fill("sandbox-key")
        await page.get_by_text("Advanced", exact=True).click()
        await page.get_by_label("Another address", exact=True).check()
        await page.get_by_label("Another address for Tracking Endpoint").fill(self._stage.sandbox.url)
        await page.get_by_role("button", name="Test connection").click()
        await expect(page.locator("#outcome")).to_contain_text("The credentials work")
        await self.picture("tested")
        await page.get_by_role("button", name="Save & start").click()
        await page.wait_for_url("**/connect-posthog")
        await self.picture("connect-posthog")

    async def _visit_the_shop(self) -> None:
        snippet = await self._page.get_by_role("group", name="In a browser (posthog-js)").inner_text()
        async with shop(snippet) as url, visit(self._browser, url) as visitor:
            for path in ("/", "/lamps.html", "/cart.html"):
                async with visitor.expect_response(lambda answer: answer.request.method == "POST" and answer.ok):
                    await visitor.goto(path)
            await visitor.get_by_role("button", name="Sign up").click()
            await visitor.get_by_role("button", name="Order").click()
            await expect(self._page.locator("#arrival")).to_contain_text("order completed")
        await self.picture("arrived")


async def main(words: list[str]) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder) / "data") as stage, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium.path(), args=chromium.ARGUMENTS)
            async with window(browser, stage.console) as page:
                await page.set_viewport_size({"width": 1440, "height": 1000})
                await Story(browser, stage, page).tell()
            await play(stage, installed=True)
            wrong = await photograph(browser, stage, chosen(PAGES, words), FOLDER)
            wrong += await states(browser, FOLDER, words)
            await browser.close()
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
