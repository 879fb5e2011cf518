"""A page that has nothing but a snippet: posthog-js comes from Hogline, and so does what it loads later.

Whatever Chromium writes down as an error or a warning fails these tests, and so does a request that fails (`visit`).
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page
from shop import shop
from stage import Stage
from windows import visit

from hogline.console.posthog import BROWSER, filled
from hogline.views.events import ReceivedEvent

pytestmark = pytest.mark.anyio

WITHIN_S = 15
BEFORE, _, _ = BROWSER.partition("  posthog.init(")
OPTIONS = "api_host: '{host}', defaults: '2026-01-30', person_profiles: 'always'"
CALLS = """
  posthog.register({ plan: 'free' })
  posthog.capture('first')
  posthog.identify('user-1', { email: 'ada@example.com' })
  posthog.group('company', 'acme', { seats: 7 })
  posthog.capture('second', { total: 49 })
"""
SAID = ["first", "$identify", "$groupidentify", "second"]


def with_our_loader(options: str = "") -> str:
    return f"{BEFORE}  posthog.init('{{token}}', {{ {OPTIONS}, {options} }})\n{CALLS}</script>"


SNIPPETS = {
    "what Connect PostHog shows": with_our_loader(),
    # The scripts that PostHog itself publishes for pages, as its documentation has them.
    "PostHog's loader": f"""
<script src="{{host}}/static/loader.js" data-project-token="{{token}}" data-api-host="{{host}}"
  data-config='{{"person_profiles": "always"}}' data-defaults="2026-01-30"></script>
<script>{CALLS}</script>""",
    "PostHog's bootstrap of a chosen version": f"""
<script src="{{host}}/static/loader-bootstrap.js" data-asset-host="{{host}}" data-sdk-version="1"></script>
<script>posthog.init('{{token}}', {{ {OPTIONS} }}); {CALLS}</script>""",
    "array.js alone": f"""
<script src="{{host}}/static/array.js" crossorigin="anonymous"></script>
<script>posthog.init('{{token}}', {{ {OPTIONS} }}); {CALLS}</script>""",
    "the project's array.js, which brings its configuration": f"""
<script src="{{host}}/array/{{token}}/array.js" crossorigin="anonymous"></script>
<script>posthog.init('{{token}}', {{ {OPTIONS} }}); {CALLS}</script>""",
}


async def received(stage: Stage, *wanted: str) -> list[ReceivedEvent]:
    """The events that Hogline has, once these are among them."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            events = await stage.service.live.received(after=0, limit=100)
            if {event.event for event in events} >= set(wanted):
                return events
            await asyncio.sleep(0.05)


def paths_asked(visitor: Page, host: str) -> list[str]:
    """The paths that the page asks Hogline for, from now on."""
    paths: list[str] = []
    visitor.on("request", lambda asked: paths.append(urlsplit(asked.url).path) if asked.url.startswith(host) else None)
    return paths


async def for_this(stage: Stage, snippet: str) -> tuple[str, str]:
    """The snippet for this Hogline, and its host."""
    host = stage.service.addresses.receives
    return filled(snippet, host, (await stage.service.project_tokens.show()).token), host


@pytest.mark.parametrize("kind", SNIPPETS)
async def test_every_event_of_a_page_with_a_snippet_arrives(browser: Browser, stage: Stage, kind: str) -> None:
    snippet, _ = await for_this(stage, SNIPPETS[kind])
    async with shop(snippet) as url, visit(browser, url) as visitor:
        await visitor.goto("/")
        events = await received(stage, "$pageview", *SAID)
        await visitor.get_by_role("link", name="Lamps").click()
        # By a beacon, as the page is left.
        await received(stage, "$pageleave")
    # Each once. Not in order: posthog-js sends $identify at once, and what came before it in its next batch.
    assert sorted(event.event for event in events if event.event in SAID) == sorted(SAID)
    assert {event.distinct_id for event in events if event.event in SAID[1:]} == {"user-1"}
    assert {event.properties["plan"] for event in events if event.event == "second"} == {"free"}


async def test_the_projects_array_js_asks_for_no_configuration(browser: Browser, stage: Stage) -> None:
    snippet, host = await for_this(stage, SNIPPETS["the project's array.js, which brings its configuration"])
    async with shop(snippet) as url, visit(browser, url) as visitor:
        paths = paths_asked(visitor, host)
        await visitor.goto("/")
        await received(stage, *SAID)
    assert [path.split("/")[-1] for path in paths if path.startswith("/array/")] == ["array.js"]


@pytest.mark.parametrize("strict", ["false", "true"])
async def test_what_posthog_js_loads_later_is_there(browser: Browser, stage: Stage, strict: str) -> None:
    asking = (
        f"strict_script_versioning: {strict}, capture_exceptions: true, capture_dead_clicks: true, capture_heatmaps: true, "
        "capture_performance: { web_vitals: true, web_vitals_attribution: true }, autocapture: true, "
        "tracing_headers: ['127.0.0.1'], logs: { captureConsoleLogs: true }, session_recording: {}"
    )
    snippet, host = await for_this(stage, with_our_loader(asking))
    async with shop(snippet) as url, visit(browser, url) as visitor:
        paths = paths_asked(visitor, host)
        await visitor.goto("/")
        await received(stage, *SAID)
        await visitor.evaluate("posthog.captureException(new Error('caught'))")
        await received(stage, "$exception")
    loaded = {path.rsplit("/", 1)[-1] for path in paths if path.startswith("/static/")}
    assert loaded >= {"array.js", "exception-autocapture.js", "dead-clicks-autocapture.js", "tracing-headers.js"}
    assert any(name.startswith("web-vitals") for name in loaded)


async def test_a_page_with_two_projects_has_two(browser: Browser, stage: Stage) -> None:
    second = f"posthog.init('{{token}}', {{ {OPTIONS} }}, 'other')\n  posthog.other.capture('of the other')\n"
    snippet, _ = await for_this(stage, with_our_loader().replace("</script>", f"  {second}</script>"))
    async with shop(snippet) as url, visit(browser, url) as visitor:
        await visitor.goto("/")
        await received(stage, "of the other", *SAID)


async def test_there_is_nothing_beside_events_and_no_script_fails_over_it(browser: Browser, stage: Stage) -> None:
    snippet, _ = await for_this(stage, with_our_loader())
    async with shop(snippet) as url, visit(browser, url) as visitor:
        await visitor.goto("/")
        await received(stage, *SAID)
        for asking in (
            "posthog.getSurveys(resolve, true)",
            "posthog.getEarlyAccessFeatures(resolve, true)",
            "(posthog.onFeatureFlags(resolve), posthog.reloadFeatureFlags())",
        ):
            assert await visitor.evaluate(f"new Promise((resolve) => {{ {asking} }})") in ([], None)
        assert not await visitor.evaluate("posthog.isFeatureEnabled('new-checkout')")
