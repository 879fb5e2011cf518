"""Live events in a browser: as they come, paused, filtered, unfolded; at most 200 of them."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect
from stage import Stage

pytestmark = pytest.mark.anyio

LIVE = "/connections/shop/live"


async def opened(page: Page, stage: Stage, **options: object) -> None:
    await stage.connect("shop", **options)
    await page.goto(LIVE)
    await expect(page.locator("#live")).to_have_attribute("data-open", "")


async def test_an_event_shows_the_moment_it_is_settled_with_all_about_it(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    await expect(page.locator("#live-empty")).to_contain_text("Waiting for events")
    await stage.receive({"event": "<script>alert(1)</script>", "distinct_id": "ada", "properties": {"total": 49}})
    row = page.locator("#live > li").first
    await expect(row).to_contain_text("<script>alert(1)</script>")
    await expect(row.locator(".state")).to_have_text("Delivered")
    await expect(page.locator("#live-empty")).to_be_hidden()
    await row.locator("summary").click()
    await expect(row.locator(".operation").last).to_contain_text('"total": 49')
    await expect(row.locator(".operation").last).to_contain_text("accepted")
    assert not (await row.locator("summary time").inner_text()).endswith("UTC")


async def test_the_newest_is_on_top_and_nothing_comes_twice(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    for n in range(3):
        await stage.receive({"event": f"event {n}", "distinct_id": "ada"})
        await expect(page.locator("#live > li")).to_have_count(n + 1)
    await expect(page.locator("#live .event-name")).to_have_text(["event 2", "event 1", "event 0"])
    await page.reload()
    await expect(page.locator("#live")).to_have_attribute("data-open", "")
    await stage.receive({"event": "event 3", "distinct_id": "ada"})
    await expect(page.locator("#live .event-name")).to_have_text(["event 3", "event 2", "event 1", "event 0"])


async def test_while_it_is_paused_events_are_counted_and_shown_afterwards(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    await page.get_by_role("button", name="Pause").click()
    await stage.receive({"event": "event 0", "distinct_id": "ada"})
    await expect(page.locator("#live-said")).to_have_text("Paused: 1 new.")
    await expect(page.locator("#live > li")).to_have_count(0)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator("#live > li")).to_have_count(1)
    await expect(page.locator("#live-said")).to_have_text("")


async def test_events_are_filtered_by_text_and_outcome(page: Page, stage: Stage) -> None:
    await opened(page, stage, event_allowlist="ordered")
    await stage.receive({"event": "ordered", "distinct_id": "ada", "properties": {"coupon": "SPRING"}})
    await stage.receive({"event": "seen", "distinct_id": "ben"})
    names = page.locator("#live > li:not([hidden]) .event-name")
    await expect(names).to_have_count(2)
    await page.get_by_label("Filter by result").select_option("filtered")
    await expect(names).to_have_text(["seen"])
    await stage.receive({"event": "ordered", "distinct_id": "cy"}, {"event": "left", "distinct_id": "cy"})
    await expect(names).to_have_text(["left", "seen"])
    await page.get_by_label("Filter by result").select_option("")
    await page.get_by_label("Filter by text").fill("spring")
    await expect(names).to_have_text(["ordered"])
    await page.get_by_label("Filter by text").fill("nothing like this")
    await expect(page.locator("#live-none")).to_be_visible()


async def test_there_are_at_most_200_on_the_page_and_it_says_how_many_are_not(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    item = await page.evaluate(
        "count => { source.dispatchEvent(new MessageEvent('events', {data: Array.from({length: count}, (_, n) =>"
        " `<li id='event-made-${n}' data-outcome='delivered'>x</li>`).join('')})); return list.children.length; }",
        250,
    )
    assert item == 200
    many: list[dict[str, object]] = [{"event": f"event {n}", "distinct_id": f"user-{n}"} for n in range(100)]
    await stage.receive(*many)
    await expect(page.locator("#live-said")).to_contain_text("not shown (too many at once).")
    await expect(page.locator("#live > li")).to_have_count(200)


async def test_a_session_that_ends_leads_to_the_door(page: Page, stage: Stage) -> None:
    await opened(page, stage)
    await stage.service.accounts.set_password("another password")
    await stage.receive({"event": "x", "distinct_id": "ada"})
    await page.wait_for_url("**/sign-in?next=%2Fconnections%2Fshop%2Flive")
