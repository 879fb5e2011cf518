"""What PostHog's SDKs ask beside sending events: a configuration and feature flags, of which there are none.

The answers keep them from recording sessions, surveys and clicks, which go nowhere from here.
"""

from __future__ import annotations

import re

import msgspec

from hogline.sources.asgi import Answer, answer, answer_json

_CONFIG: dict[str, object] = {
    "supportedCompression": ["gzip-js"],
    "hasFeatureFlags": False,
    "autocapture_opt_out": True,
    "sessionRecording": False,
    "heatmaps": False,
    "siteApps": [],
    "isAuthenticated": False,
    "toolbarParams": {},
}
_FLAGS: dict[str, object] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,200}")

CONFIG = answer_json(200, _CONFIG)
FLAGS = answer_json(200, _FLAGS)
DECIDE = answer_json(200, {**_CONFIG, **_FLAGS})
"""Older SDKs ask once for both."""


def array_answer(path: str) -> Answer | None:
    """What `/array/<token>/config` and `/array/<token>/config.js` answer; None for other paths.

    The same for every token: an answer here tells nobody which tokens exist.
    """
    _, _, rest = path.partition("/array/")
    token, _, name = rest.partition("/")
    if not _TOKEN.fullmatch(token):
        return None
    match name:
        case "config":
            return CONFIG
        case "config.js":
            return _config_js(token)
        case _:
            return None


def _config_js(token: str) -> Answer:
    """The script posthog-js loads: it finds its configuration under its token in a global object."""
    entry = msgspec.json.encode({"config": _CONFIG, "siteApps": []})
    script = b"(function(w){var c=w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{};c[%s]=%s})(window);\n"
    return answer(200, script % (msgspec.json.encode(token), entry), b"application/javascript")
