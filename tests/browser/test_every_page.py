"""What holds for every page: nothing serious for axe, in light and dark; no sideways scrolling at 360 pixels; without
script too. A page that is new belongs into `PAGES`.
"""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page
from settling import settled
from stage import Stage, found_by_axe, is_wider_than_the_window

pytestmark = pytest.mark.anyio

PERSON = "y" * 140
PAGES = (
    "/",
    "/?q=nothing+like+this",
    "/install/customerio",
    "/connect-posthog",
    "/history",
    "/api-tokens",
    "/accounts",
    "/account",
    "/audit",
    "/audit?who=nobody+like+this",
    "/connections/shop/overview",
    "/connections/shop/people",
    "/connections/shop/people?q=nobody+like+this",
    "/connections/shop/people?show=everyone",
    f"/connections/shop/person?id={PERSON}",
    f"/connections/shop/forget?id={PERSON}",
    "/connections/shop/events",
    "/connections/shop/events?reason=not_identified",
    "/connections/shop/events/1",
    "/connections/shop/resume",
    "/connections/shop/live",
    "/connections/shop/failures",
    "/connections/shop/failures?reason=identifier_too_long",
    "/connections/shop/failures/2",
    "/connections/shop/failures/discard",
    "/connections/shop/try?sample=sign-up",
    "/connections/shop/settings",
    "/connections/shop/disconnect",
    "/no-such-page",
)
LONG = "a-name-that-is-as-long-as-a-name-of-a-connection-may-be-64-chars"


async def test_axe_finds_nothing_serious_and_nothing_is_wider_than_a_phone(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await stage.connect(LONG)
    await stage.receive(
        {"event": "x" * 200, "distinct_id": PERSON, "$set": {"email": "y@example.com", "plan": "z" * 900}},
        {"event": "x" * 200, "distinct_id": "y" * 200},
    )
    await settled(stage)
    found = []
    for path in PAGES:
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        await page.set_viewport_size({"width": 360, "height": 800})
        await page.goto(path)
        if await is_wider_than_the_window(page):
            found.append(f"{path} is wider than a phone")
        await page.set_viewport_size({"width": 1600, "height": 800})
        if await is_wider_than_the_window(page):
            found.append(f"{path} is wider than a wide window")
        found += [f"{path}: {each}" for each in await found_by_axe(page)]
        await page.emulate_media(color_scheme="dark")  # in which only the colors are others
        found += [f"{path}, dark: {each}" for each in await found_by_axe(page, rules=["color-contrast"])]
    assert found == []


async def test_on_a_phone_the_menus_show_where_you_are(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.set_viewport_size({"width": 360, "height": 800})
    for path, name in (("/audit", "Audit log"), ("/connections/shop/settings", "Settings")):
        await page.goto(path)
        box = await page.get_by_role("link", name=name, exact=True).filter(visible=True).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


async def test_at_the_door_too(page: Page) -> None:
    await page.set_viewport_size({"width": 360, "height": 800})
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("Wrong account or password.").wait_for()
    assert not await is_wider_than_the_window(page)
    assert await found_by_axe(page) == []


async def test_without_script_everything_works_less_lively(browser: Browser, stage: Stage) -> None:
    context = await browser.new_context(base_url=stage.console, java_script_enabled=False)
    page = await context.new_page()
    page.set_default_timeout(10_000)
    await stage.sign_in(page)
    await page.get_by_label("Search destinations").fill("customer")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("link", name="Install Customer.io").click()
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    await page.get_by_label("Customer.io API Key").fill("wrong")
    await page.get_by_text("Advanced", exact=True).click()
    await page.get_by_label("Another address", exact=True).check()
    await page.get_by_label("Another address for Tracking Endpoint").fill(stage.sandbox.url)
    await page.locator("#option-group_objects").fill("company=1")
    await page.get_by_role("button", name="Save & start").click()
    assert "rejected the credentials" in await page.locator("#outcome").inner_text()
    assert await page.locator("#option-group_objects").input_value() == "company=1"
    assert await page.get_by_label("Customer.io API Key").input_value() == ""
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    await page.get_by_label("Customer.io API Key").fill("sandbox-key")
    await page.get_by_role("button", name="Save & start").click()
    await page.get_by_text("customerio is ready.").wait_for()
    await page.goto("/")
    await page.get_by_role("switch", name="Send to customerio").click()
    await page.get_by_text("Paused customerio.").wait_for()
    await context.close()
