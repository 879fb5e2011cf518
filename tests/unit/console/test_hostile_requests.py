"""Whatever stands in an address, a query or a form, the console answers with a page, and never that it failed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from console_bench import OWN, Browser, console_in
from events_bench import settle
from service_bench import GOOD
from starlette.routing import Route

from hogline.console.app import ROUTES

pytestmark = pytest.mark.anyio

HOSTILE = {
    "NUL": "\0",
    "NUL within": "a\0b",
    "4,300 digits": "9" * 4_301,
    "zeros and a digit": "0" * 5_000 + "1",
    "2^63": str(2**63),
    "minus": "-1",
    "digits of elsewhere": "१२३",
    "a superscript": "²",
    "not a number": "nan",
    "exponent": "1e400",
    "bidirectional": "\u202eabc\u2066",
    "escape": "\x1b]0;x\x07",
    "astral": "\U0010ffff",
    "a sentence end": "'\"--;<>{}%s%n",
    "dots": "../../etc/passwd",
    "nothing": "",
    "long": "x" * 20_000,
}
FIELDS = (
    "id", "reason", "after", "before", "q", "name", "who", "action", "person", "period", "received", "failure",
    "sample", "do", "run", "events", "suppress", "theme", "next", "account", "password", "role", "days", "old",
    "new", "again", "site_id", "api_key", "tracking_endpoint", "hold_days",
)  # fmt: skip


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        await settle(made, {"event": "refuse me", "distinct_id": "zoe"})
        yield made


def addresses(route: Route, text: str) -> set[str]:
    """The route with the text in one of its places at a time, and with good values in all."""
    good = {"name": "shop", "destination": "customerio", "id": "1", "number": "1", "path": "console.css"}
    names = re.findall(r"{(\w+)(?::\w+)?}", route.path)
    found = set()
    for hostile in (None, *names):
        path = route.path
        for name in names:
            value = quote(text, safe="") if name == hostile else good[name]
            path = re.sub(rf"{{{name}(:\w+)?}}", value.replace("\\", ""), path)
        found.add(path)
    return found


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_every_route_answers_whatever_stands_in_it(browser: Browser, text: str) -> None:
    signed_in = dict(browser.cookies)
    failed = []
    query = urlencode(dict.fromkeys(FIELDS, text))
    for route, method in ((one, method) for one in ROUTES if isinstance(one, Route) for method in one.methods or ()):
        if "changes" in route.path or "stream" in route.path or method == "HEAD":
            continue
        for path in addresses(route, text):
            browser.cookies = dict(signed_in)
            headers = {**OWN, "content-type": "application/x-www-form-urlencoded"}
            asked = [(f"{path}?{query}", b"")] if method == "GET" else [(path, query.encode())]
            if method == "GET":
                asked.append((path, b""))
            for url, body in asked:
                reply = await browser.ask(method, url[:60_000], headers, body)
                if reply.status >= 500:
                    failed.append(f"{method} {route.path}: {reply.status}")
        if not await browser.bench.service.connections.all():
            await browser.bench.service.connections.add("customerio", GOOD, name="shop")
    assert failed == []


BAD_REQUESTS = {
    "a person with NUL": "/connections/shop/person?id=%00",
    "NUL in any field": "/connections/shop/people?q=a%00b",
    "a failure to discard with 5,000 digits": f"/connections/shop/failures/discard?id={'9' * 5_000}",
    "zeros first": f"/connections/shop/failures/discard?id={'0' * 25}x",
    "behind what": f"/connections/shop/failures?before={'9' * 5_000}",
    "an audit page": "/audit?before=-1",
}


@pytest.mark.parametrize("path", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
async def test_what_cannot_be_read_is_the_senders_mistake(browser: Browser, path: str) -> None:
    assert (await browser.get(path)).status == 400


@pytest.mark.parametrize("field", ["password", "account", "next", "odd"])
async def test_a_form_with_nul_or_a_file_is_too(browser: Browser, field: str) -> None:
    browser.cookies = {}
    assert (await browser.post("/sign-in", **{"password": "x", field: "a\0b"})).status == 400
    body = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\nz\r\n--x--\r\n'.encode()
    reply = await browser.ask("POST", "/sign-in", {**OWN, "content-type": "multipart/form-data; boundary=x"}, body)
    assert reply.status == 400


BIDI = "a\u202ebcd\u2066\u200b\x1b[31m\x9b"


@pytest.mark.parametrize(
    "path",
    ["people", "person", "events", "events/1", "failures", "failures/1", "live", "overview", "try?failure=1"],
)
async def test_no_text_from_outside_turns_a_page_around(browser: Browser, path: str) -> None:
    await settle(browser, {"event": f"refuse me{BIDI}", "distinct_id": f"id{BIDI}", "$set": {f"n{BIDI}": f"v{BIDI}"}})
    url = f"/connections/shop/{path}" + (f"?id={quote('id' + BIDI)}" if path == "person" else "")
    text = (await browser.get(url)).text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x1b\x80-\x9f]", text)


async def test_a_form_still_carries_the_id_as_it_is(browser: Browser) -> None:
    await settle(browser, {"event": "x", "distinct_id": f"id{BIDI}"})
    text = (await browser.get(f"/connections/shop/forget?id={quote('id' + BIDI)}")).text
    assert f'name="id" value="id{BIDI}"' in text


@pytest.mark.parametrize("path", ["/api/connections/shop/person?distinct_id=", "/api/audit?person="])
@pytest.mark.parametrize("text", ["%00", "a%00"])
async def test_the_api_says_400_too(browser: Browser, path: str, text: str) -> None:
    token = (await browser.bench.service.api_tokens.make(f"t{text}", "admin")).token
    reply = await browser.ask("GET", f"{path}{text}", {"authorization": f"Bearer {token}"})
    assert reply.status == 400


@pytest.mark.parametrize("digits", ["9" * 4_301, "1" * 20, "0" * 5_000 + "1"])
async def test_numbers_without_end_too(browser: Browser, digits: str) -> None:
    token = (await browser.bench.service.api_tokens.make("t", "admin")).token
    headers = {"authorization": f"Bearer {token}"}
    for path in (f"/api/audit?after={digits}", f"/api/connections/shop/failures?limit={digits}"):
        assert (await browser.ask("GET", path, headers)).status in {200, 400}
    assert (await browser.ask("GET", f"/api/connections/shop/failures/{digits}", headers)).status in {200, 404}
    body = f'{{"ids": [{digits}]}}'.encode()
    reply = await browser.ask("POST", "/api/connections/shop/failures/retry", {**headers, **OWN}, body)
    assert reply.status in {400, 422}
