#!/usr/bin/env python3
"""Takes a picture of every page of the console, light and dark, small and large: on the first day, with believable
data, and in trouble.

A small shop's events go through Hogline into a sandbox Customer.io, then each page is opened in Chromium. The pictures
go to `dist/screenshots`. Those that a page of the documentation shows are also written to `docs/screenshots`, as WebP,
and pictures that no page shows any more are deleted there. Words as arguments choose pages:
`tools/screenshots.py pipeline install`.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests")]

import chromium  # noqa: E402  # tests/browser is on the path only now
from stage import Stage, found_by_axe, is_wider_than_the_window, staged  # noqa: E402

from hogline.sandbox.script import Script, ScriptedAnswer  # noqa: E402
from hogline.store.figures import Figure, FigureKind, bucket  # noqa: E402

FOLDER = ROOT / "dist" / "screenshots"
SHOWN = ROOT / "docs" / "screenshots"
WEBP_QUALITY = 80
TALLEST = 2.5
"""Times its width: a long list on a phone is cut in the documentation."""
SIZES = {"small": (390, 844), "large": (1440, 1000)}
SETTLE_WITHIN_S = 60
HEBREW = "משתמש\u202e-42"
"""An id that is written from right to left, with a character that would turn the rest of its line around."""


async def nothing_more(_page: Page, _stage: Stage) -> None:
    """The page as it opens."""


async def wrong_key(page: Page, stage: Stage) -> None:
    await page.get_by_label("Customer.io Site ID").fill("sandbox-site")
    await page.get_by_label("Customer.io API Key").fill("wrong")
    await page.get_by_text("Advanced", exact=True).click()
    await page.get_by_label("Another address", exact=True).check()
    await page.get_by_label("Another address for Tracking Endpoint").fill(stage.sandbox.url)
    await page.get_by_role("button", name="Test connection").click()
    await page.locator("#outcome .notice").wait_for()


LIVE: tuple[dict[str, object], ...] = (
    {
        "event": "$pageview",
        "distinct_id": "0192a7c4-003f-visitor",
        "properties": {"$current_url": "https://shop.example/"},
    },
    {"event": "newsletter opened", "distinct_id": "user-3", "properties": {"campaign": "autumn"}},
    {"event": "order completed", "distinct_id": "9-" + "x" * 180, "properties": {"$is_identified": True, "total": 12}},
    {"event": "plan changed", "distinct_id": "user-12", "properties": {"from": "free", "$set": {"plan": "team"}}},
    {"event": "order completed", "distinct_id": "user-7", "properties": {"total": 49, "items": ["hat", "scarf"]}},
)


async def events_come(page: Page, stage: Stage) -> None:
    """Some events while the page is open, one of them unfolded."""
    await page.locator("html[data-listening]").wait_for(state="attached")
    before = await page.locator("#live > li").first.get_attribute("id")
    await stage.receive(*LIVE)
    await page.locator(f"#live > li:first-child:not(#{before})").wait_for()
    await page.locator("#live > li").nth(1).locator("summary").click()


async def event_tested(page: Page, _stage: Stage) -> None:
    await page.get_by_text("Send a test event", exact=True).click()
    await page.get_by_label("Event", exact=True).select_option("sample-custom")
    await page.get_by_role("button", name="Send test event").click()
    await page.locator("#outcome .exchange").wait_for()


async def first_failure(page: Page, _stage: Stage) -> None:
    await page.locator("#failures tbody a").first.click()
    await page.locator(".refusal").first.wait_for()


async def tried(page: Page, _stage: Stage) -> None:
    await page.get_by_role("button", name="Try it").click()
    await page.locator(".tried").wait_for()


@dataclass(frozen=True)
class Shot:
    name: str
    path: str
    then: Callable[[Page, Stage], Awaitable[None]] = nothing_more
    signed_in: bool = True


# A page that is new gets a line here.
PAGES = (
    Shot("sign-in", "/sign-in", signed_in=False),
    Shot("pipeline", "/"),
    Shot("pipeline-nothing-found", "/?q=telegraph"),
    Shot("install", "/install/customerio"),
    Shot("install-wrong-key", "/install/customerio", wrong_key),
    Shot("connect-posthog", "/connect-posthog"),
    Shot("history", "/history"),
    Shot("overview", "/connections/customerio/overview"),
    Shot("people", "/connections/customerio/people"),
    Shot("people-nobody", "/connections/customerio/people?q=telegraph"),
    Shot("person", "/connections/customerio/person?id=user-1"),
    Shot("forget", "/connections/customerio/forget?id=user-1"),
    Shot("events", "/connections/customerio/events"),
    Shot("event", "/connections/customerio/events/1"),
    Shot("live-no-match", "/connections/customerio/live?name=telegraph"),
    Shot("live", "/connections/customerio/live", events_come),
    Shot("failures", "/connections/customerio/failures"),
    Shot("failures-reason", "/connections/customerio/failures?reason=identifier_too_long"),
    Shot("failure", "/connections/customerio/failures", first_failure),
    Shot("discard", "/connections/customerio/failures/discard"),
    Shot("try", "/connections/customerio/try?sample=sign-up", tried),
    Shot("settings", "/connections/customerio/settings"),
    Shot("settings-test-event", "/connections/customerio/settings", event_tested),
    Shot("disconnect", "/connections/customerio/disconnect"),
    Shot("api-tokens", "/api-tokens"),
    Shot("accounts", "/accounts"),
    Shot("own-account", "/account"),
    Shot("audit", "/audit"),
    Shot("not-found", "/no-such-page"),
)

# What a page says on the first day, and when something is wrong.
FIRST_DAY = (
    Shot("day-one-pipeline", "/"),
    Shot("day-one-connect-posthog", "/connect-posthog"),
    Shot("day-one-history", "/history"),
    Shot("day-one-api-tokens", "/api-tokens"),
)
NO_EVENTS = (
    Shot("no-events-overview", "/connections/customerio/overview"),
    Shot("no-events-people", "/connections/customerio/people"),
    Shot("no-events-events", "/connections/customerio/events"),
    Shot("no-events-live", "/connections/customerio/live"),
    Shot("no-events-failures", "/connections/customerio/failures"),
    Shot("no-events-try", "/connections/customerio/try"),
)
OUTAGE = (
    Shot("outage-pipeline", "/"),
    Shot("outage-overview", "/connections/customerio/overview"),
    Shot("outage-people", "/connections/customerio/people"),
    Shot("outage-event", "/connections/customerio/events/2"),
)
STOPPED = (
    Shot("stopped-pipeline", "/"),
    Shot("stopped-overview", "/connections/customerio/overview"),
    Shot("stopped-person", f"/connections/customerio/person?id={quote(HEBREW)}"),
)

_DAY = (3, 2, 1, 1, 1, 2, 5, 9, 14, 19, 24, 26, 22, 20, 23, 27, 30, 28, 21, 16, 13, 10, 7, 4)
"""How much a shop is visited at each hour."""
_NAMES = ("Ada", "Bob", "Chidi", "Dana", "Elif", "Farid", "Grace", "Hana", "Ivo", "Jun", "Kofi", "Lena")
_EVENTS = ("$pageview", "product added", "order completed", "$pageview", "newsletter opened", "plan changed")


def shop_events(how_many: int) -> list[dict[str, object]]:
    """Visitors, some of whom sign up, over the last hours; the same ones every time."""
    chance = random.Random(7)  # noqa: S311  # not a secret
    now = datetime.now(UTC)
    events: list[dict[str, object]] = []
    for number in range(how_many):
        person = chance.randrange(60)
        signed_up = person < 40
        distinct_id = f"user-{person + 1}" if signed_up else f"0192a7c4-{person:04x}-visitor"
        properties: dict[str, object] = {"$current_url": "https://shop.example/", "total": chance.randrange(20, 400)}
        if signed_up:
            name = _NAMES[person % len(_NAMES)]
            properties["$set"] = {"email": f"{name.lower()}{person}@example.com", "name": name, "plan": "pro"}
        event = "$identify" if signed_up and number % 9 == 0 else chance.choice(_EVENTS)
        timestamp = (now - timedelta(minutes=chance.randrange(600))).isoformat()
        events.append({"event": event, "distinct_id": distinct_id, "properties": properties, "timestamp": timestamp})
    return sorted(events, key=lambda each: str(each["timestamp"]))


async def play(stage: Stage, *, installed: bool = False) -> None:
    """Two connections, one of them paused, and a day of the shop. `installed`: the first one is there already."""
    if not installed:
        await stage.connect("customerio", anonymous_users="identified")
    await stage.connect("marketing-eu", event_allowlist="order completed, plan changed")
    events = shop_events(2_000)
    for start in range(0, len(events), 20):
        await stage.receive(*events[start : start + 20])
    # Ids that are too long become failures.
    for number in range(3):
        too_long = {"distinct_id": f"{number}-" + "x" * 180, "properties": {"$is_identified": True, "total": 12}}
        await stage.receive({"event": "order completed", **too_long})
    await stage.receive({"event": "order completed", "distinct_id": "user-7", "properties": {"total": 49}})
    async with asyncio.timeout(SETTLE_WITHIN_S):
        while any(each.pending for each in (await stage.service.status.show()).connections):
            await asyncio.sleep(0.05)
    await stage.service.connections.pause("marketing-eu")
    await stage.service.accounts.add("ada@example.com", "operator", "a password of Ada's")
    await stage.service.accounts.add("grace@example.com", "viewer")
    await stage.service.api_tokens.make("reports", "viewer", 90)
    await stage.service.connections.configure("customerio", {"hold_days": 7})
    await remember_a_day(stage, 1, "customerio")
    await remember_a_day(stage, 2, "marketing-eu")


async def remember_a_day(stage: Stage, connection: int, name: str) -> None:
    """Spreads what was counted just now over the last 24 hours, so plots and totals agree."""
    chance = random.Random(name)  # noqa: S311  # not a secret
    status = next(each for each in (await stage.service.status.show()).connections if each.name == name)
    counted: dict[tuple[FigureKind, str], int] = {
        ("received", ""): status.received,
        ("delivered", ""): status.delivered,
        **{("filtered", reason): n for reason, n in status.filtered.items()},
        **{("failed", reason): n for reason, n in status.failures.items()},
        ("requests", ""): status.requests,
    }
    history = stage.service.figures
    assert history is not None
    now_s = int(time.time())
    moments = [now_s - minutes * 60 for minutes in range(24 * 60 - 10, 0, -10)]
    weights = [_DAY[at_s // 3_600 % 24] * chance.uniform(0.7, 1.4) for at_s in moments]
    for (kind, reason), total in counted.items():
        await history.add([Figure(connection, kind, -total, reason)], now_s)
        at = chance.choices(moments, weights, k=total)
        for at_s in moments:
            if n := at.count(at_s):
                await history.add([Figure(connection, kind, n, reason)], at_s)
    for at_s in moments:
        took = [chance.uniform(30, 50) for _ in range(30)] + [chance.uniform(90, 200) for _ in range(3)]
        await history.add([Figure(connection, "took", 1, str(bucket(each))) for each in took], at_s)


async def states(browser: Browser, folder: Path, words: list[str]) -> list[str]:
    """Pictures of the first day, an outage and a stopped connection, each with long and right-to-left names."""

    async def taken(shots: tuple[Shot, ...]) -> list[str]:
        return await photograph(browser, stage, chosen(shots, words), folder)

    with tempfile.TemporaryDirectory() as data:
        async with staged(Path(data) / "data") as stage:
            wrong = await taken(FIRST_DAY)
            await stage.connect("customerio")
            wrong += await taken(NO_EVENTS)
            for status, state, shots in ((503, "retrying", OUTAGE), (401, "stopped", STOPPED)):
                answer = ScriptedAnswer(status=status, times=1_000_000)
                for member in stage.sandbox.app.track.members.values():
                    member.director.follow(Script(answers=[answer]))
                await stage.receive(
                    {"event": "הזמנה הושלמה", "distinct_id": HEBREW, "$set": {"email": "dana@example.com"}},
                    {"event": "a name as long as somebody makes it " * 5, "distinct_id": "a-long-id-" * 14},
                )
                async with asyncio.timeout(SETTLE_WITHIN_S):
                    while (await stage.service.status.show()).connections[0].state != state:
                        await asyncio.sleep(0.05)
                wrong += await taken(shots)
    return wrong


def chosen(shots: tuple[Shot, ...], words: list[str]) -> list[Shot]:
    return [shot for shot in shots if not words or any(word in shot.name for word in words)]


async def photograph(browser: Browser, stage: Stage, shots: list[Shot], folder: Path = FOLDER) -> list[str]:
    """Returns what is wrong with the pages: what axe finds, and what is wider than its window."""
    wrong = []
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = await browser.new_context(
                base_url=stage.console,
                color_scheme=scheme,
                viewport={"width": width, "height": height},
                reduced_motion="reduce",
            )
            page = await context.new_page()
            at_the_door = True
            for shot in sorted(shots, key=lambda each: each.signed_in):
                if shot.signed_in and at_the_door:
                    await stage.open(page)
                    at_the_door = False
                await page.goto(shot.path)
                await shot.then(page, stage)
                await page.evaluate("window.scrollTo(0, 0)")
                file = folder / f"{shot.name}-{scheme}-{size}.png"
                await page.screenshot(path=file, full_page=True)
                print(file.relative_to(ROOT))
                wrong += [f"{file.name}: {each}" for each in await found_by_axe(page, every=True)]
                if await is_wider_than_the_window(page):
                    wrong.append(f"{file.name} is wider than its window")
            await context.close()
    return wrong


def shown_in_docs() -> set[str]:
    """The names, without ending, of the pictures that README or a page of docs/ shows."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {name for page in pages for name in re.findall(r"screenshots/([a-z-]+)\.webp", page.read_text("utf-8"))}


def publish() -> None:
    """Brings `docs/screenshots` up to date with what was just taken."""
    names = shown_in_docs()
    SHOWN.mkdir(parents=True, exist_ok=True)
    for picture in SHOWN.iterdir():
        if picture.stem not in names or picture.suffix != ".webp":
            picture.unlink()
    for name in sorted(names):
        taken = FOLDER / f"{name}.png"
        if taken.exists():
            with Image.open(taken) as image:
                top = image.crop((0, 0, image.width, min(image.height, round(image.width * TALLEST))))
                top.save(SHOWN / f"{name}.webp", quality=WEBP_QUALITY, method=6)


async def main(words: list[str]) -> None:
    shots = chosen(PAGES, words)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder) / "data") as stage, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium.path(), args=chromium.ARGUMENTS)
            await play(stage)
            wrong = await photograph(browser, stage, shots)
            wrong += await states(browser, FOLDER, words)
            await browser.close()
    publish()
    print(*wrong, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
