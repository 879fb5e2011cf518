"""People in a browser: found while typing, looked at, forgotten; whatever they are called."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect
from settling import settled
from stage import Stage

from hogline.core.changes import Flush
from hogline.core.known import Fact, Person
from hogline.escaping import escaped

pytestmark = pytest.mark.anyio

PEOPLE = "/connections/shop/people"


async def test_somebody_is_found_while_typing_looked_at_and_forgotten(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await stage.receive(
        {"event": "signed up", "distinct_id": "ada", "$set": {"email": "Ada.Lovelace@example.com", "plan": "pro"}},
        {"event": "signed up", "distinct_id": "ben", "$set": {"email": "ben@example.com"}},
    )
    await settled(stage)
    await page.goto(PEOPLE)
    rows = page.locator("#people tbody tr")
    await expect(rows).to_have_count(2)
    await page.get_by_label("Search", exact=True).fill("LOVELACE@")
    await expect(rows).to_have_count(1)
    assert page.url.endswith("?q=LOVELACE%40")
    await rows.get_by_role("link", name="ada").click()
    await expect(page.locator("main")).to_contain_text("signed up")
    await expect(page.get_by_role("row", name="plan")).to_contain_text("Accepted")
    await page.get_by_role("link", name="Forget …").click()
    await expect(page.locator("main")).to_contain_text("deletes the profile ada")
    await page.get_by_role("button", name="Forget for good").click()
    await expect(page.locator("main")).to_contain_text("1 customer deleted, confirmed by Customer.io")
    await page.locator("main").get_by_role("link", name="People", exact=True).last.click()
    await expect(rows).to_have_count(1)


HOSTILE = (
    "<script>alert(1)</script>",
    "a/../b?c=d&e=%2F#f",
    "\"double\" 'single' `back`",
    "\u05d0\u05d1\u05d2 \u202ereversed",
    "x" * 10_000,
)


@pytest.mark.parametrize("distinct_id", HOSTILE, ids=["script", "slashes", "quotes", "rtl", "long"])
async def test_whatever_somebody_is_called_their_page_opens(page: Page, stage: Stage, distinct_id: str) -> None:
    await stage.connect("shop")
    # Not as an event: of that the id would be cut, or refused.
    person = Person(distinct_id, {"plan": Fact("pro", 0, 1)})
    await stage.service.state.flush(Flush({}, {distinct_id: person}, 0))
    await page.set_viewport_size({"width": 360, "height": 800})
    await page.goto(f"{PEOPLE}?show=everyone")
    await page.locator("#people tbody a").first.click()
    await expect(page.locator(".person-id")).to_contain_text(escaped(distinct_id[:100]))
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await page.get_by_role("link", name="Forget …").click()
    assert await page.locator("input[name=id]").input_value() == distinct_id
    await page.get_by_role("button", name="Forget for good").click()
    await expect(page.get_by_role("heading", name="Forgotten")).to_be_visible()
    assert await stage.service.people.find() == []


async def test_without_script_people_are_found_too(browser: Browser, stage: Stage) -> None:
    await stage.connect("shop")
    await stage.receive({"event": "x", "distinct_id": "ada"}, {"event": "x", "distinct_id": "ben"})
    await settled(stage)
    context = await browser.new_context(base_url=stage.console, java_script_enabled=False)
    page = await context.new_page()
    await stage.sign_in(page)
    await page.goto(PEOPLE)
    await page.get_by_label("Search", exact=True).fill("AD")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#people tbody tr")).to_have_count(1)
    await context.close()
