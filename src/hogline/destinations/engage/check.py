"""Checks a connection's keys, as far as Engage allows that without sending an event.

No request to `/posthog` is documented to have no effect. `GET /v1/lists` is documented: it needs a key, changes nothing
and names nobody. But the public key is enough for it, so it only proves that one, and a proxy may not pass it on at
all. The first event shows the rest: if it is rejected, the connection stops and keeps it.
"""

from __future__ import annotations

from hogline.destinations.base import Check, Send, Unreachable
from hogline.destinations.engage.options import HOST, Options
from hogline.destinations.http_answers import passes
from hogline.model import Request, Response

_LISTS = "/v1/lists?limit=1"


async def check(options: Options, send: Send) -> Check:
    """Asks for one mailing list. Never raises for a response, or for none."""
    headers = {"authorization": options.authorization, "accept": "application/json"}
    try:
        response = await send(Request("GET", options.base_url + _LISTS, headers))
    except Unreachable as why:
        return Check(
            "unreachable",
            f"Engage cannot be reached at {options.base_url}: {why}. Check the network and API base URL, then try"
            " again.",
        )
    return _read(options, response)


def _read(options: Options, response: Response) -> Check:
    status = response.status
    if status == 401:
        return Check("refused", "Engage rejected the keys (401). Check the public key and the secret key.")
    if 300 <= status < 400:
        return Check(
            "unreachable",
            f"{options.base_url} returns a redirect ({status}), which Hogline does not follow. API base URL should be"
            f" https://{HOST}, or a proxy's.",
        )
    if passes(status):
        return Check("unreachable", f"Engage is not available ({status}). Try again later.")
    if 200 <= status < 300:
        return Check("ok", "Engage accepts the public key. The first event will show whether the secret key works.")
    return Check(
        "ok",
        f"{options.base_url} responds, but does not say whether the keys work ({status}). The first event will tell.",
    )
