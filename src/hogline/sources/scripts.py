"""posthog-js for pages: `/static/array.js`, which PostHog's HTML snippet loads, and what that loads later.

The files are those of the npm package, byte for byte, put beside this module when the package was built
(`hatch_build.py`); only they can be asked for, so no path leads anywhere else. Any page may load them.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path

from hogline.sources.asgi import Header, Reply, answer, problem
from hogline.sources.routing import Request, Route
from hogline.sources.sdk import CONFIG_ENTRY

FOLDER = Path(__file__).parent / "static"
_METHODS = ("GET", "HEAD")
_PATH = re.compile(r"/static/(?:(?P<version>\d[0-9A-Za-z.-]*)/)?(?P<name>[a-z-]+\.js)")
_TYPE = b"text/javascript; charset=utf-8"
_FOR_EVER = b"public, max-age=31536000, immutable"
_FOR_AN_HOUR = b"public, max-age=3600"
_FOR_ANY_PAGE: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"vary", b"accept-encoding"),
    (b"x-content-type-options", b"nosniff"),
)
_WITH_CONFIG = b"""\
(function(w,d){var s=d.currentScript,m=s&&/\\/array\\/([^\\/?#]+)\\/array\\.js/.exec(s.src);if(m){\
var c=w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{};c[decodeURIComponent(m[1])]=%s}})(window,document);
"""
"""Before array.js: the configuration, under the token in the script's own address. So one script is for all tokens."""
_NOT_BUILT = problem(
    404,
    "This Hogline was built without posthog-js. Run `make assets`, or load posthog-js from somewhere else.",
)
_NO_SUCH_SCRIPT = problem(
    404, "Not found. Hogline only serves array.js and the scripts that posthog-js needs for events."
)


class Script:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.tag = b'W/"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()

    @cached_property
    def zipped(self) -> bytes:
        return gzip.compress(self.body, mtime=0)


class Scripts:
    """What a folder holds, in memory."""

    def __init__(self, folder: Path) -> None:
        self._scripts = {path.name: Script(path.read_bytes()) for path in folder.glob("*.js")}
        self.version = (folder / "version").read_text().strip() if self._scripts else ""
        """Of posthog-js; empty if it was not built in."""
        if self._scripts:
            self.with_config = Script(_WITH_CONFIG % CONFIG_ENTRY + self._scripts["array.js"].body)

    def find(self, name: str) -> Script | None:
        return self._scripts.get(name)


@cache
def _scripts(folder: Path) -> Scripts:
    return Scripts(folder)


def script_routes(folder: Path = FOLDER) -> Iterable[Route]:
    scripts = _scripts(folder)

    async def static(request: Request) -> Reply:
        asked = _PATH.fullmatch(request.path)
        script = scripts.find(asked["name"]) if asked else None
        if asked is None or script is None:
            return _NO_SUCH_SCRIPT if scripts.version else _NOT_BUILT
        # Whatever version is asked for gets ours; only ours can be kept for ever under its name.
        ours = scripts.version in (asked["version"], _version_in_query(request))
        return _answer(request, script, _FOR_EVER if ours else _FOR_AN_HOUR)

    async def with_config(request: Request) -> Reply:
        return _answer(request, scripts.with_config, _FOR_AN_HOUR) if scripts.version else _NOT_BUILT

    return [
        Route("/static/<script>", _METHODS, static),
        Route("/array/<token>/array.js", _METHODS, with_config),
    ]


def _version_in_query(request: Request) -> str:
    """`?v=1.449.2`, as array.js writes it."""
    return request.query_string.decode("latin-1").removeprefix("v=")


def _answer(request: Request, script: Script, how_long: bytes) -> Reply:
    headers = ((b"cache-control", how_long), (b"etag", script.tag), *_FOR_ANY_PAGE)
    if script.tag in request.headers.get(b"if-none-match", b""):
        return Reply(304, b"", headers)
    if b"gzip" in request.headers.get(b"accept-encoding", b""):
        return answer(200, script.zipped, _TYPE, ((b"content-encoding", b"gzip"), *headers))
    return answer(200, script.body, _TYPE, headers)
