"""Try it in a browser: an event is picked, changed, tried; a mistake in it is told at the field."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect
from stage import Stage

pytestmark = pytest.mark.anyio


async def test_an_event_is_picked_changed_and_tried(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/connections/shop/try")
    await page.get_by_role("link", name="A custom event").click()
    await page.get_by_role("button", name="Try it").click()
    tried = page.locator(".tried > li")
    await expect(tried).to_contain_text(["some_event"])
    await expect(tried.locator(".operation")).to_have_count(2)
    events = page.get_by_label("Events")
    await events.fill((await events.input_value()).replace("some_event", "<script>alert(1)</script>"))
    await page.get_by_role("button", name="Try it").click()
    await expect(tried).to_contain_text(["<script>alert(1)</script>"])
    assert await stage.service.people.find() == []


async def test_a_mistake_is_told_at_the_field_and_taken_back(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto("/connections/shop/try")
    events = page.get_by_label("Events")
    await events.fill('{"event": "x"')
    await page.get_by_role("button", name="Try it").click()
    await expect(events).to_have_attribute("aria-invalid", "true")
    await expect(events).to_have_accessible_description(re.compile("not valid JSON"))
    await expect(events).to_have_value('{"event": "x"')
    await events.fill('{"event": "x", "distinct_id": "ada"}')
    await page.get_by_role("button", name="Try it").click()
    await expect(page.locator(".tried > li")).to_have_count(1)
    await expect(events).not_to_have_attribute("aria-invalid", "true")
