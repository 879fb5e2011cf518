"""A connection's overview in a browser: it shows what happens by itself, draws its plots, pauses and resumes."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import Browser, Page, expect
from stage import Stage

from hogline.store.figures import Figure

pytestmark = pytest.mark.anyio

OVERVIEW = "/connections/shop/overview"


async def with_figures(stage: Stage, received: int, minutes_ago: int = 20) -> None:
    """As the sampler keeps them."""
    assert stage.service.figures is not None
    figures = [Figure(1, "received", received), Figure(1, "requests", 2), Figure(1, "request_ms", 300)]
    await stage.service.figures.add(figures, int(time.time()) - 60 * minutes_ago)


async def test_an_event_is_counted_the_moment_it_is_delivered(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto(OVERVIEW)
    await expect(page.locator("#standing")).to_contain_text("Waiting for the first event.")
    await stage.receive({"event": "signed up", "distinct_id": "max"})
    await expect(page.locator("#standing")).to_contain_text("Up to date.")
    await expect(page.locator("#totals .standing-figure", has_text="Delivered").locator("dd").first).to_have_text("1")


async def test_pause_and_resume(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto(OVERVIEW)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#standing")).to_contain_text("Paused.")
    await expect(page.locator("#state")).to_have_text("Paused")
    await expect(page.locator("#said")).to_contain_text("Paused shop.")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator("#state")).to_have_text("Delivering")
    assert [one.paused for one in await stage.service.connections.all()] == [False]


async def test_the_plots_show_what_stands_in_the_table(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await with_figures(stage, 1_234)
    await page.goto(OVERVIEW)
    plots = page.locator(".plots .uplot")
    await expect(plots).to_have_count(3)
    await expect(plots.first.locator(".u-legend")).to_contain_text("Received")
    drawn = await plots.first.locator("canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(byte => byte > 0)"
    )
    assert drawn
    await page.get_by_text("Show as table").click()
    await expect(page.locator("table.history")).to_contain_text("1,234")


async def test_pointing_at_a_plot_shows_its_values(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await with_figures(stage, 1_234)
    await page.goto(f"{OVERVIEW}?period=hour")
    plot = page.locator(".plots .uplot").first
    over = await plot.locator(".u-over").bounding_box()
    assert over is not None
    await page.mouse.move(over["x"] + over["width"] * 39 / 58, over["y"] + over["height"] / 2)
    await expect(plot.locator(".u-legend")).to_contain_text("1,234")


async def test_a_period_is_chosen(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await with_figures(stage, 7, minutes_ago=3 * 24 * 60)
    await stage.receive({"event": "signed up", "distinct_id": "max"})
    await page.goto(OVERVIEW)
    received = page.locator("#range .standing-figure", has_text="Received").locator("dd").first
    await expect(received).not_to_have_text("8")
    await page.get_by_role("link", name="Week").click()
    await expect(received).to_have_text("8")
    await expect(page.locator(".plots .uplot")).to_have_count(3)


async def test_figures_that_come_later_are_drawn_by_themselves(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.clock.install()
    await page.goto(OVERVIEW)
    await expect(page.locator(".plots")).to_be_hidden()
    await with_figures(stage, 1_234)
    await page.clock.run_for(31_000)
    await expect(page.locator(".plots .uplot")).to_have_count(3)
    await with_figures(stage, 8_000, minutes_ago=0)
    await page.clock.run_for(31_000)
    await expect(page.locator(".plots .u-legend").first).to_contain_text("8,000")


async def test_a_page_of_a_connection_that_is_removed_leads_home(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    async with page.expect_response(lambda answer: "changes" in answer.url):  # from now on the page hears of changes
        await page.goto(OVERVIEW)
    await stage.service.connections.remove("shop")
    await page.wait_for_url(f"{stage.console}/")


async def test_plots_follow_the_choice_of_dark(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await with_figures(stage, 7)
    await page.emulate_media(color_scheme="light")
    await page.goto(OVERVIEW)
    marker = page.locator(".plots .u-series .u-marker").nth(1)
    light = await marker.evaluate("element => element.style.borderColor || getComputedStyle(element).borderColor")
    await page.emulate_media(color_scheme="dark")
    marker = page.locator(".plots .u-series .u-marker").nth(1)
    await expect(marker).not_to_have_css("border-color", light)


async def test_without_script_there_is_the_table_and_the_forms(browser: Browser, stage: Stage) -> None:
    await stage.connect("shop")
    await with_figures(stage, 1_234)
    context = await browser.new_context(base_url=stage.console, java_script_enabled=False)
    page = await context.new_page()
    await stage.sign_in(page)
    await page.goto(OVERVIEW)
    await page.get_by_text("Show as table").click()
    await expect(page.locator("table.history")).to_contain_text("1,234")
    await expect(page.locator(".plots")).to_be_hidden()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#standing")).to_contain_text("Paused.")
    await context.close()


async def test_a_token_is_made_and_shown_once(page: Page, stage: Stage) -> None:
    await page.get_by_role("link", name="API tokens").click()
    await page.get_by_label("What is it for?").fill("reports")
    await page.get_by_role("button", name="Create").click()
    token = await page.locator("#new-token").inner_text()
    made = stage.service.api_tokens.find(token.strip())
    assert made is not None
    assert made.name == "reports"
    await page.get_by_role("link", name="API tokens").click()
    await expect(page.locator("main")).to_contain_text("reports")
    await expect(page.locator("main")).not_to_contain_text(token.strip())
