"""What PostHog's SDKs ask beside sending events: a configuration and feature flags, of which there are none.

The answers keep them from recording sessions, surveys and clicks, which go nowhere from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from hogline.sources.asgi import NOT_FOUND, Reply, answer, discard_body, reply_json
from hogline.sources.routing import Handler, Request, Route

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
_FLAG_DEFINITIONS: dict[str, object] = {"flags": [], "group_type_mapping": {}, "cohorts": {}}
"""What SDKs for servers evaluate flags with by themselves."""
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,200}")

_CONFIG_ANSWER = reply_json(200, _CONFIG)
CONFIG_ENTRY = msgspec.json.encode({"config": _CONFIG, "siteApps": []})
"""What posthog-js takes for its configuration, as JSON."""
_NOTHING: Mapping[str, object] = {
    "/s": {"status": 1},
    "/api/surveys": {"surveys": [], "survey_config": None},
    "/api/early_access_features": {"earlyAccessFeatures": []},
    "/api/web_experiments": {"experiments": []},
    "/api/product_tours": {"product_tours": []},
    "/i/v1/logs": {},
    "/i/v1/metrics": {},
    "/flags/definitions": _FLAG_DEFINITIONS,
    "/api/feature_flag/local_evaluation": _FLAG_DEFINITIONS,
    "/flags": _FLAGS,
    "/decide": {**_CONFIG, **_FLAGS},
}
"""The response of each path, for every caller. Recordings (`/s`), logs and metrics go nowhere from here; older SDKs use
`/decide` for both.
"""
_PASSED_BYTES = 64 * 1024


def sdk_routes() -> Iterable[Route]:
    return [
        *(Route(path, ("GET", "POST"), _always(value), browsers=True) for path, value in _NOTHING.items()),
        Route("/array/<token>/config", ("GET", "HEAD"), _config, browsers=True),
        Route("/array/<token>/config.js", ("GET", "HEAD"), _config_script, browsers=True),
    ]


def _always(value: object) -> Handler:
    reply = reply_json(200, value)

    async def handler(request: Request) -> Reply:
        await discard_body(request.receive, _PASSED_BYTES)
        return reply

    return handler


async def _config(_: Request) -> Reply:
    """The same for every token: an answer here tells nobody which tokens exist."""
    return _CONFIG_ANSWER


async def _config_script(request: Request) -> Reply:
    """The script posthog-js loads: it finds its configuration under its token in a global object."""
    token = request.path.split("/")[2]
    if not _TOKEN.fullmatch(token):
        return NOT_FOUND
    script = b"(function(w){var c=w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{};c[%s]=%s})(window);\n"
    return answer(200, script % (msgspec.json.encode(token), CONFIG_ENTRY), b"application/javascript")
