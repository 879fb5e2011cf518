"""posthog-js for pages: what is served under which address, how long browsers keep it, and for whom."""

# mypy: allow-untyped-defs, allow-untyped-calls

import asyncio
import gzip
import hashlib
import json
from base64 import b64encode

import pytest
from npm_packages import package
from receiving import Inbox

from hogline.sources.routing import Request
from hogline.sources.scripts import FOLDER, script_routes
from hogline.sources.sdk import CONFIG_ENTRY

DIST = package("posthog-js") / "dist"
VERSION = json.loads((package("posthog-js") / "package.json").read_text())["version"]
NAMES = sorted(path.name for path in FOLDER.glob("*.js"))
ORIGIN = {"origin": "https://shop.example"}


@pytest.fixture
def inbox():
    return Inbox()


@pytest.mark.parametrize("before", ["/static/", f"/static/{VERSION}/", "/static/1/", "/static/1.200.0-beta.1/"])
def test_a_script_is_there_with_any_version_in_its_path_and_with_none(inbox, before):
    reply = inbox.ask("GET", before + "array.js", headers=ORIGIN)
    assert reply.status == 200
    assert reply.body == (DIST / "array.js").read_bytes()
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("name", NAMES)
def test_every_script_is_the_one_that_its_maker_signed(inbox, name):
    signed = json.loads((DIST / "integrity.json").read_text())["files"][name]
    body = inbox.ask("GET", f"/static/{name}").body
    assert signed == "sha384-" + b64encode(hashlib.sha384(body).digest()).decode()


def test_what_posthog_js_loads_for_events_is_among_them():
    assert {"array.js", "loader.js", "exception-autocapture.js", "web-vitals.js", "dead-clicks-autocapture.js"} <= set(
        NAMES
    )


def test_their_license_goes_along():
    assert (FOLDER / "LICENSE.txt").read_bytes() == (package("posthog-js") / "LICENSE").read_bytes()


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/static/array.js", "public, max-age=3600"),
        ("/static/1/array.js", "public, max-age=3600"),
        ("/static/logs.js?v=1.200.0", "public, max-age=3600"),
        (f"/static/logs.js?v={VERSION}", "public, max-age=31536000, immutable"),
        (f"/static/{VERSION}/logs.js", "public, max-age=31536000, immutable"),
        ("/array/phc_x/array.js", "public, max-age=3600"),
    ],
)
def test_a_browser_keeps_for_ever_only_what_never_changes(inbox, path, kept):
    assert inbox.ask("GET", path).headers["cache-control"] == kept


@pytest.mark.parametrize("path", ["/static/array.js", "/array/phc_x/array.js"])
def test_what_a_browser_has_already_is_not_sent_again(inbox, path):
    first = inbox.ask("GET", path, headers={"accept-encoding": "gzip"})
    for shown in (first.headers["etag"], f'W/"other", {first.headers["etag"]}'):
        again = inbox.ask("GET", path, headers={"if-none-match": shown})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert inbox.ask("GET", path, headers={"if-none-match": 'W/"other"'}).status == 200


@pytest.mark.parametrize("path", ["/static/array.js", "/array/phc_x/array.js"])
def test_a_script_is_compressed_for_who_takes_that(inbox, path):
    plain = inbox.ask("GET", path)
    zipped = inbox.ask("GET", path, headers={"accept-encoding": "br, gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.headers["vary"] == "accept-encoding"
    assert gzip.decompress(zipped.body) == plain.body
    assert len(zipped.body) < len(plain.body) / 2


def test_the_projects_array_js_brings_its_configuration_and_is_one_for_all(inbox):
    one, other = (inbox.ask("GET", f"/array/{token}/array.js").body for token in ("phc_x", "phc_y"))
    assert one == other
    assert one.endswith((DIST / "array.js").read_bytes())
    assert CONFIG_ENTRY in one


@pytest.mark.parametrize(
    "path",
    ["/static/recorder.js", "/static/../http.py", "/static/array.js.map", "/static/a/array.js", "/static/1/1/array.js"],
)
def test_nothing_else_can_be_asked_for(inbox, path):
    reply = inbox.ask("GET", path)
    assert reply.status == 404
    assert "Not found" in reply.error


def test_a_hogline_that_was_built_without_npm_says_what_to_do(tmp_path):
    async def nothing():
        return {}

    async def ask(route):
        scope = {"method": "GET", "path": "/static/array.js", "query_string": b"", "headers": []}
        return await route.handler(Request(scope, nothing, "1", 0))

    for route in script_routes(tmp_path):
        reply = asyncio.run(ask(route))
        assert reply.status == 404
        assert b"make assets" in reply.body
