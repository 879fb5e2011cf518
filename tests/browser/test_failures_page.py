"""Failures in a browser: by reason, one of them, sent again, discarded, exported."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Page, expect
from settling import settled
from stage import Stage

pytestmark = pytest.mark.anyio

FAILURES = "/connections/shop/failures"
TOO_LONG: dict[str, object] = {"event": "ordered", "distinct_id": "x" * 180}


async def test_what_fails_shows_by_itself_and_is_looked_at(page: Page, stage: Stage) -> None:
    await stage.connect("shop")
    await page.goto(FAILURES)
    await expect(page.locator("#failures")).to_contain_text("No failures")
    await stage.receive(TOO_LONG)
    await page.locator("#failures tbody").get_by_role("link", name="ordered").click()
    await expect(page.locator("main")).to_contain_text("An identifier is longer than")
    await page.get_by_role("link", name="Try it").last.click()
    assert (await page.locator("#events").input_value()).startswith('{\n  "event": "ordered"')


async def test_sent_again_exported_and_discarded(page: Page, stage: Stage, tmp_path: Path) -> None:
    await stage.connect("shop")
    await stage.receive(TOO_LONG, {**TOO_LONG, "event": "seen"})
    await settled(stage)
    await page.goto(FAILURES)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export").first.click()
    file = tmp_path / "failures.jsonl"
    await (await download.value).save_as(file)
    assert [msgspec.json.decode(line)["failure"]["event"] for line in file.read_bytes().splitlines()] == [
        "ordered",
        "seen",
    ]
    await page.get_by_role("navigation", name="Reasons").get_by_role("link", name="identifier_too_long").click()
    await page.get_by_role("button", name="Retry these 2").click()
    await expect(page.get_by_role("status").filter(has_text="Retrying 2 failures.")).to_be_visible()
    await expect(page.locator("#retried")).to_contain_text("Retried 2: 0 delivered, 2 rejected again.")
    async with page.expect_navigation():
        await page.get_by_role("link", name="Discard …").click()
    await expect(page.locator("main")).to_contain_text("Discard 2 failures?")
    while await stage.service.failures.retrying("shop"):
        await page.wait_for_load_state()
    await page.get_by_role("button", name="Discard").click()
    await expect(page.get_by_role("status").filter(has_text="Discarded 2 failures.")).to_be_visible()
    await expect(page.locator("#failures")).to_contain_text("No failures")
