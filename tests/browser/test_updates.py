"""Pages that update themselves take nothing away: focus, scroll, what was typed, what is open."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect
from stage import Stage

pytestmark = pytest.mark.anyio


async def is_listening(page: Page) -> None:
    """Returns once the page is told what changes. (A function that is waited for would be text that the page evaluates,
    and its policy forbids that.)"""
    await expect(page.locator("html")).to_have_attribute("data-listening", "")


async def test_focus_and_scroll_stay_where_they_are(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.set_viewport_size({"width": 800, "height": 300})
    await page.goto("/connections/shop/overview")
    await is_listening(page)
    await page.get_by_role("button", name="Pause").focus()
    await page.evaluate("document.getElementById('pause').scrollIntoView()")
    at = await page.locator("#pause").bounding_box()
    await stage.receive({"event": "signed up", "distinct_id": "max"})
    await expect(page.locator("#totals .standing-figure", has_text="Delivered").locator("dd").first).to_have_text("1")
    assert await page.evaluate("document.activeElement.id") == "pause"
    now = await page.locator("#pause").bounding_box()
    assert at is not None
    assert now is not None
    assert abs(now["y"] - at["y"]) < 20  # a line above is another; nothing jumps


async def test_the_state_is_the_same_everywhere_on_the_page(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/connections/shop/people")
    await is_listening(page)
    await stage.service.connections.pause("shop")
    await expect(page.locator("#state")).to_have_text("Paused")
    await expect(page.locator(".of-connection .dot.state-off")).to_have_count(1)


async def test_people_come_by_themselves_and_a_search_stays(page: Page, stage: Stage) -> None:
    await stage.connect("shop", anonymous_users="all")
    await page.goto("/connections/shop/people")
    await is_listening(page)
    await page.locator("#q").fill("max")
    await expect(page.locator("#people")).to_contain_text("No match")
    await stage.receive({"event": "signed up", "distinct_id": "max"}, {"event": "signed up", "distinct_id": "ada"})
    await expect(page.locator("#people tbody tr")).to_have_count(1)
    assert await page.locator("#q").input_value() == "max"


async def test_an_answer_that_is_not_this_page_deletes_nothing(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/connections/shop/failures")
    await is_listening(page)
    await stage.service.connections.remove("shop")
    await expect(page.locator("#unanswered")).to_contain_text("What this page shows was removed.")
    await expect(page.locator("#failures")).to_contain_text("No failures")


async def test_a_session_that_ends_keeps_what_was_typed(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/connections/shop/settings")
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    cookies = await page.context.cookies()
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("#unanswered")).to_contain_text("Your session has ended. What you typed is still here.")
    assert await page.get_by_label("Customer.io Site ID").input_value() == "sandbox-site"
    await page.context.add_cookies(cookies)  # type: ignore[arg-type]  # as they came
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("#said")).to_contain_text("Saved shop.")


async def test_an_error_is_shown_where_it_is_to_be_solved(page: Page) -> None:
    await page.set_viewport_size({"width": 800, "height": 400})
    await page.goto("/install/customerio")
    await page.get_by_label("Customer.io API Key").press("Enter")
    await expect(page.get_by_label("Customer.io Site ID")).to_be_focused()
    assert await page.evaluate(
        "(() => { const box = document.activeElement.getBoundingClientRect();"
        " return box.top >= 0 && box.bottom <= innerHeight })()"
    )


async def test_a_button_says_what_is_happening_and_works_once(page: Page, stage: Stage) -> None:
    await page.goto("/install/customerio")
    await page.get_by_text("Advanced", exact=True).click()
    await page.get_by_label("Another address", exact=True).check()
    await page.get_by_label("Another address for Tracking Endpoint").fill(stage.sandbox.url)
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    await page.get_by_label("Customer.io API Key").fill("sandbox-key")
    await page.evaluate(
        "(() => { const button = document.querySelector('.actions [value=test]'); window.said = [];"
        " new MutationObserver(() => said.push(button.textContent)).observe(button, { childList: true }); })()"
    )
    await page.get_by_role("button", name="Test connection").click()
    await expect(page.locator("#outcome .notice-good")).to_be_visible()
    assert await page.evaluate("said") == ["Testing …", "Test connection"]
    await page.get_by_role("button", name="Save & start").dblclick()
    await page.wait_for_url("**/connect-posthog")
    assert [one.name for one in await stage.service.connections.all()] == ["customerio"]


async def test_numbers_are_written_the_same_everywhere(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    german = await page.context.new_cdp_session(page)
    await german.send("Emulation.setLocaleOverride", {"locale": "de-DE"})
    await page.goto("/connections/shop/overview")
    assert await page.evaluate("(1234.5).toLocaleString()") == "1.234,5"
    assert await page.evaluate("shown(1234.5, 'ms')") == "1,235 ms"
    assert await page.evaluate("shown(1.25, '')") == "1.3"


async def test_a_page_that_was_never_there_does_not_claim_to_have_been_removed(page: Page) -> None:
    await page.goto("/no-such-page")
    await page.wait_for_load_state("networkidle")
    await expect(page.locator("#unanswered")).to_be_hidden()
