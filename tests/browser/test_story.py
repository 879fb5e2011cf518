"""The whole story of the product pages, as a person plays it: from a fresh Hogline to people at the destination.

Hogline and the sandbox are processes, the console and the shop are pages in Chromium, and the shop's posthog-js is the
real one.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Response, expect
from shop import shop
from windows import visit, window

from hogline.console.posthog import BROWSER, filled
from hogline.testing.processes import all_events, connect, get, hogline_json, people, sandbox, serving, status

pytestmark = pytest.mark.anyio

WITHIN_S = 30
PRODUCT_PAGES_EXAMPLE = re.compile(
    r"posthog\.capture\(\s*'some_event',\s*{\s*event_property: '(?P<event_property>[^']*)',"
    r"\s*\$set: {\s*email: 'test@example\.com',\s*userProperty: 'value',?\s*},?\s*},?\s*\)"
)
PAGES = ["/", "/lamps.html", "/cart.html"]


@dataclass(frozen=True)
class Hogline:
    """A `hogline serve`, and what it said when it started."""

    data: Path
    receives_at: str
    console: str
    password: str


@contextmanager
def fresh_hogline(data: Path, **settings: str) -> Iterator[Hogline]:
    with serving(data, COLUMNS="1000", HOGLINE_LOG_LEVEL="error", **settings) as running:
        assert running.process.stderr is not None
        console = re.search(r"Console at (\S+)", running.process.stderr.readline().decode())
        told = running.process.stderr.readline().decode()
        file = re.search(r"Sign in as admin; the password is in (\S+)", told)
        assert console
        assert file
        password = Path(file[1]).read_text("utf-8").strip()
        assert password not in told  # a service's log is kept
        yield Hogline(data, running.url, console[1], password)


async def until(true: Callable[[], bool]) -> None:
    """Returns as soon as something is true; fails if it never is."""
    async with asyncio.timeout(WITHIN_S):
        while not true():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def console_of(hogline: Hogline, browser: Browser) -> AsyncIterator[Page]:
    """The console, after signing in with the first password."""
    async with window(browser, hogline.console) as page:
        await page.goto("/")
        await page.get_by_label("Password").fill(hogline.password)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Data pipeline")).to_be_visible()
        yield page


async def copied_snippet(page: Page) -> str:
    """What Connect PostHog shows for a browser, as it is copied from there."""
    return await page.get_by_role("group", name="In a browser (posthog-js)").inner_text()


async def test_the_product_pages_example_makes_a_person_in_customer_io(browser: Browser, tmp_path: Path) -> None:
    with sandbox() as customerio, fresh_hogline(tmp_path / "data") as hogline:
        async with console_of(hogline, browser) as console:
            await console.get_by_label("Search destinations").fill("Customer.io")
            await expect(console.get_by_role("link", name="Install Engage")).to_have_count(0)
            await console.get_by_role("link", name="Install Customer.io").click()
            await console.get_by_label("Customer.io Site ID").fill("sandbox-site")
            await console.get_by_label("Customer.io API Key").fill("wrong")
            await console.get_by_text("Advanced", exact=True).click()
            await console.get_by_label("Another address", exact=True).check()
            await console.get_by_label("Another address for Tracking Endpoint").fill(customerio.url)
            await console.get_by_role("button", name="Save & start").click()
            await expect(console.locator("#outcome")).to_contain_text(
                "Customer.io rejected the credentials (401). Check the Site ID and the API Key. Nothing was saved."
            )
            assert hogline_json(hogline.data, "connections") == {"connections": []}

            await console.get_by_label("Customer.io API Key").fill("sandbox-key")
            await console.get_by_role("button", name="Save & start").click()
            await expect(console.get_by_role("heading", name="Connect PostHog")).to_be_visible()
            await expect(console.get_by_role("status").filter(has_text="customerio is ready.")).to_be_visible()
            await expect(console.locator("#arrival")).to_contain_text("Waiting for the first event")

            snippet = await copied_snippet(console)
            assert hogline.receives_at in snippet
            example = PRODUCT_PAGES_EXAMPLE.search(snippet)
            assert example, snippet
            async with shop(snippet) as url, visit(browser, url) as visitor:
                await visitor.goto("/")
                await expect(console.locator("#arrival")).to_contain_text("Received")
                await expect(console.locator("#arrival")).to_contain_text("some_event")

            await until(lambda: "some_event" in {event["name"] for event in all_events(customerio.url)})
            await console.get_by_role("link", name="customerio").first.click()
            await console.get_by_role("link", name="People").click()
            await console.get_by_label("Search", exact=True).fill("TEST@example")
            (distinct_id,) = people(customerio.url)
            await console.locator("#people").get_by_role("link", name=distinct_id).click()
            attributes = console.get_by_role("region", name="Attributes")
            await expect(attributes.get_by_role("row", name="email test@example.com Accepted")).to_be_visible()
            await expect(attributes.get_by_role("row", name="userProperty value Accepted")).to_be_visible()
            await expect(attributes).not_to_contain_text("event_property")
            events = console.get_by_role("region", name="Recent events")
            await expect(events.get_by_role("row").filter(has_text="some_event")).to_contain_text("Delivered")

        (person,) = people(customerio.url).values()
        assert (person["email"], person["attributes"]) == ("test@example.com", {"userProperty": "value"})
        (event,) = (each for each in all_events(customerio.url) if each["name"] == "some_event")
        assert event["person"]["email"] == "test@example.com"
        assert event["data"]["event_property"] == example["event_property"]
        assert {"$set", "email", "userProperty"} & event["data"].keys() == set()


async def test_the_product_pages_example_arrives_whole_at_engage(browser: Browser, tmp_path: Path) -> None:
    with sandbox() as engage, fresh_hogline(tmp_path / "data") as hogline:
        async with console_of(hogline, browser) as console:
            await console.get_by_label("Search destinations").fill("marketing automation")
            await console.get_by_role("link", name="Install Engage").click()
            await console.get_by_label("Engage Public Key").fill("sandbox-public")
            await console.get_by_label("Engage Secret Key").fill("wrong")
            await console.get_by_text("Advanced", exact=True).click()
            await console.get_by_label("API base URL").fill(engage.url)
            await console.get_by_role("button", name="Save & start").click()
            await expect(console.locator("#outcome")).to_contain_text(
                "Engage rejected the keys (401). Check the public key and the secret key. Nothing was saved."
            )
            await console.get_by_label("Engage Secret Key").fill("sandbox-secret")
            await console.get_by_role("button", name="Save & start").click()
            await expect(console.get_by_role("heading", name="Connect PostHog")).to_be_visible()

            async with shop(await copied_snippet(console)) as url, visit(browser, url) as visitor:
                await visitor.goto("/")
                await expect(console.locator("#arrival")).to_contain_text("some_event")
                await until(lambda: came(engage.url) != [])

        (event,) = came(engage.url)  # page views are not for Engage
        body = event["body"]
        assert body.keys() == {"uuid", "event", "distinct_id", "properties", "timestamp", "elements_chain", "url"}
        assert (body["event"], body["distinct_id"]) == ("some_event", event["distinct_id"])
        properties = body["properties"]
        assert properties["event_property"] == "value"
        assert properties["$set"] == {"email": "test@example.com", "userProperty": "value"}
        assert properties["$lib"] == "web"


def came(engage: str) -> list[dict[str, Any]]:
    """Every event that the sandbox's Engage keeps."""
    found: list[dict[str, Any]] = get(f"{engage}/sandbox/engage/events")
    return found


@contextmanager
def connected(data: Path, *options: str) -> Iterator[tuple[Hogline, str]]:
    """Hogline with a connection to a sandbox Customer.io, and the sandbox's URL."""
    with sandbox() as customerio:
        connect(data, customerio.url, *options)
        with fresh_hogline(data, HOGLINE_MERGE_DELAY_S="0") as hogline:
            yield hogline, customerio.url


def set_up(hogline: Hogline, profiles: str = "identified_only") -> str:
    """How a shop's owner sets up posthog-js; `identified_only` is what it does unless told otherwise."""
    snippet = filled(BROWSER, hogline.receives_at, hogline_json(hogline.data, "token")["token"])
    set_up_only = re.sub(r"\n *posthog\.capture\(.*?\n *}\)", "", snippet, flags=re.DOTALL)
    return set_up_only.replace("'always'", f"'{profiles}'")


def kept_a_page_view(response: Response) -> bool:
    """Hogline has it on disk."""
    body = response.request.post_data_buffer or b""
    body = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
    return b'"$pageview"' in body and response.ok


async def look_around(visitor: Page) -> None:
    """Three pages. Each is only left when Hogline knows of it: what a browser sends at once may overtake itself."""
    async with visitor.expect_response(kept_a_page_view):
        await visitor.goto("/")
    for link in ("Lamps", "Put a lamp into the cart"):
        async with visitor.expect_response(kept_a_page_view):
            await visitor.get_by_role("link", name=link).click()


async def sign_up_and_order(visitor: Page, customerio: str) -> None:
    await visitor.get_by_role("button", name="Sign up").click()
    await visitor.get_by_role("button", name="Order").click()
    await until(lambda: "order completed" in [event["name"] for event in all_events(customerio)])


def assert_one_customer_saw(pages: list[str], customerio: str) -> None:
    (customer,) = people(customerio).values()
    assert (customer["id"], customer["email"]) == ("user_1", "ada@example.com")
    assert customer["attributes"]["plan"] == "free"
    events = all_events(customerio)
    assert {event["person"]["cio_id"] for event in events} == {customer["cio_id"]}
    seen = [event for event in events if event["type"] == "page"]
    assert [event["data"]["$pathname"] for event in seen] == pages
    assert all(event["name"].endswith(event["data"]["$pathname"]) for event in seen)  # a page's name is its URL
    names = [event["name"] for event in events if event not in seen and event["name"] != "$pageleave"]
    assert names == ["$identify", "order completed"]


@pytest.mark.parametrize("profiles", ["identified_only", "always"])
async def test_who_is_only_sent_once_identified_arrives_with_every_page_they_saw(
    browser: Browser, tmp_path: Path, profiles: str
) -> None:
    with connected(tmp_path / "data", "--anonymous-users", "identified", "--hold-days", "30") as (hogline, customerio):
        async with shop(set_up(hogline, profiles)) as url, visit(browser, url) as visitor:
            await look_around(visitor)
            await until(lambda: status(hogline.data)["held"] >= len(PAGES))
            assert people(customerio) == {}
            assert all_events(customerio) == []
            await sign_up_and_order(visitor, customerio)
        assert_one_customer_saw(PAGES, customerio)


async def test_who_was_a_customer_as_a_visitor_is_one_customer_after_signing_up(
    browser: Browser, tmp_path: Path
) -> None:
    with connected(tmp_path / "data", "--anonymous-users", "all") as (hogline, customerio):
        async with shop(set_up(hogline)) as url, visit(browser, url) as visitor:
            await look_around(visitor)
            await until(lambda: len(all_events(customerio)) >= len(PAGES))
            (visitor_id,) = people(customerio)
            assert visitor_id != "user_1"
            await sign_up_and_order(visitor, customerio)
        await until(lambda: visitor_id not in people(customerio))
        assert_one_customer_saw(PAGES, customerio)
