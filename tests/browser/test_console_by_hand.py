"""What the console's pages do under somebody's hands: what changes shows, what fails is said, where it happened."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect
from stage import Stage

pytestmark = pytest.mark.anyio


async def test_testing_a_connection_tells_the_workspace_and_keeps_nothing(page: Page, stage: Stage) -> None:
    await page.goto("/install/customerio")
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    await page.get_by_label("Customer.io API Key").fill("sandbox-key")
    await page.get_by_text("Advanced", exact=True).click()
    await page.get_by_label("Another address", exact=True).check()
    await page.get_by_label("Another address for Tracking Endpoint").fill(stage.sandbox.url)
    await page.get_by_role("button", name="Test connection").click()
    await expect(page.locator("#outcome")).to_contain_text("The credentials work: workspace")
    assert await stage.service.connections.all() == []


async def test_a_forecast_from_a_file_keeps_what_was_typed(page: Page) -> None:
    await page.goto("/install/customerio")
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    event = b'{"event": "seen", "distinct_id": "visitor", "timestamp": "2026-11-01T00:00:01Z"}'
    await page.get_by_label("File of events").set_input_files(
        {"name": "export.jsonl", "mimeType": "application/json", "buffer": event}
    )
    await page.get_by_role("button", name="Forecast").click()
    await expect(page.locator("#outcome")).to_contain_text("Forecast from 1 event in export.jsonl")
    await expect(page.get_by_label("Customer.io Site ID")).to_have_value("sandbox-site")
    assert page.url.endswith("/install/customerio")


async def test_an_event_named_like_a_script_is_shown_as_text(page: Page, stage: Stage) -> None:
    await page.goto("/connect-posthog")
    await expect(page.locator("#arrival")).to_contain_text("Waiting for the first event")
    await stage.receive({"event": "<script>alert(1)</script>", "distinct_id": "user-1", "properties": {}})
    await expect(page.locator("#arrival")).to_contain_text("<script>alert(1)</script>")


async def test_the_switch_pauses_and_resumes(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/")
    switch = page.get_by_role("switch", name="Send to shop")
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "false")
    await expect(page.locator("#connections")).to_contain_text("Paused")
    await expect(page.get_by_role("status").filter(has_text="Paused shop.")).to_be_visible()
    await switch.focus()
    await page.keyboard.press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")


async def test_what_changes_elsewhere_shows_by_itself(page: Page, stage: Stage) -> None:
    await page.goto("/")
    await expect(page.locator("#connections")).to_contain_text("No connections yet")
    await stage.connect("shop")
    await expect(page.locator("#connections")).to_contain_text("Delivering")


async def test_a_session_that_ends_leads_to_the_door(page: Page, stage: Stage) -> None:
    await page.goto("/connect-posthog")
    await stage.service.accounts.set_password("another password")
    await stage.receive({"event": "x", "distinct_id": "user-1"})
    await page.wait_for_url("**/sign-in?next=%2Fconnect-posthog")


async def test_disconnect_asks_once_more(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/connections/shop/settings")
    await page.get_by_role("link", name="Disconnect …").click()
    assert len(await stage.service.connections.all()) == 1
    await page.get_by_role("button", name="Disconnect").click()
    await page.wait_for_url(f"{stage.console}/")
    assert await stage.service.connections.all() == []


async def test_a_problem_is_told_at_its_field_and_to_screen_readers(page: Page, stage: Stage) -> None:
    await page.goto("/install/customerio")
    await page.get_by_label("Customer.io Site ID").fill("a b")
    await page.get_by_role("button", name="Test connection").click()
    site_id = page.get_by_label("Customer.io Site ID")
    await expect(site_id).to_have_attribute("aria-invalid", "true")
    await expect(site_id).to_have_accessible_description(re.compile("contains blanks or characters"))
    await page.locator("#outcome").get_by_role("link", name="Customer.io API Key is missing").click()
    await expect(page.get_by_label("Customer.io API Key")).to_be_focused()


async def test_the_theme_is_chosen_and_stays(page: Page) -> None:
    await page.get_by_role("button", name="Dark").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 17, 16)"


async def test_times_are_shown_in_the_viewers_zone(page: Page, stage: Stage) -> None:
    await stage.receive({"event": "x", "distinct_id": "user-1"})
    await page.goto("/connect-posthog")
    time = page.locator("#arrival time")
    await expect(time).to_have_attribute("title", re.compile(r"UTC$"))
    await expect(time).not_to_have_text(re.compile(r"UTC$"))


async def test_a_button_copies(page: Page, stage: Stage) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto("/connect-posthog")
    await page.get_by_role("button", name="Copy").first.click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert (
        await page.evaluate("navigator.clipboard.readText()") == (await stage.service.project_tokens.show()).webhook_url
    )


async def test_somebody_who_stops_hogline_is_told_on_an_open_page(page: Page, stage: Stage) -> None:
    await page.route("**/*", lambda route: route.abort())
    await page.get_by_label("Search destinations").fill("x")
    await expect(page.get_by_role("alert").filter(has_text="Hogline is not responding.")).to_be_visible()
