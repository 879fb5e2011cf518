"""Live events in a browser: those from before, new ones as they come, held still, chosen, after a restart."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect
from stage import Stage

pytestmark = pytest.mark.anyio

LIVE = "/connections/shop/live"


async def opened(page: Page, stage: Stage, **options: object) -> None:
    await stage.connect("shop", **options)
    await stage.receive({"event": "before", "distinct_id": "ada"})
    await page.goto(LIVE)
    await page.locator("html[data-listening]").wait_for(state="attached")
    await expect(page.locator("#live .event-name")).to_have_text(["before"])


async def test_events_show_without_having_been_looked_for_with_all_about_them(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    names = page.locator("#live .event-name")
    await expect(names).to_have_text(["before"])
    await stage.receive({"event": "<script>alert(1)</script>", "distinct_id": "ada", "properties": {"total": 49}})
    await expect(names).to_have_text(["<script>alert(1)</script>", "before"])
    row = page.locator("#live > li").first
    await expect(row.locator(".state")).to_have_text("Delivered")
    await row.locator("summary").click()
    await expect(row.locator(".operation").last).to_contain_text('"total": 49')
    await expect(row.locator(".operation").last).to_contain_text("accepted")
    assert not (await row.locator("summary time").inner_text()).endswith("UTC")


async def test_the_list_holds_still_while_it_is_paused_or_an_event_is_open(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    names, said = page.locator("#live .event-name"), page.locator("#live-said")
    await page.get_by_role("button", name="Pause").click()
    await expect(said).to_have_text("Paused.")
    await stage.receive({"event": "second", "distinct_id": "ada"})
    await expect(names).to_have_text(["before"])
    await page.get_by_role("button", name="Resume").click()
    await expect(names).to_have_text(["second", "before"])
    await expect(said).to_have_text("")
    await page.locator("#live summary").last.click()
    await expect(said).to_have_text("Paused while an event is open.")
    await stage.receive({"event": "third", "distinct_id": "ada"})
    await expect(names).to_have_text(["second", "before"])
    await page.locator("#live summary").last.click()
    await expect(names).to_have_text(["third", "second", "before"])


async def test_the_server_chooses_and_goes_on_choosing(page: Page, stage: Stage) -> None:
    await opened(page, stage, events="*, -seen")
    await stage.receive({"event": "seen", "distinct_id": "ben"})
    names = page.locator("#live .event-name")
    await page.get_by_label("Result").select_option("filtered")
    await expect(names).to_have_text(["seen"])
    await stage.receive({"event": "ordered", "distinct_id": "cy"}, {"event": "seen", "distinct_id": "cy"})
    await expect(names).to_have_text(["seen", "seen"])
    await page.get_by_label("Result").select_option("")
    await page.get_by_label("Person").fill("cy")
    await expect(names).to_have_text(["seen", "ordered"])
    assert page.url.endswith("?person=cy")
    await page.get_by_label("Person").fill("nobody")
    await expect(page.locator("#live-events")).to_contain_text("No match")


async def test_a_session_that_ends_leads_to_the_door(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    await stage.service.accounts.set_password("another password")
    await stage.receive({"event": "x", "distinct_id": "ada"})
    await page.wait_for_url("**/sign-in?next=%2Fconnections%2Fshop%2Flive")
