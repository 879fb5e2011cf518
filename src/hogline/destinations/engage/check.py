"""Whether a connection's keys are good, as far as Engage says so without being sent an event.

Nothing that can be asked of `/posthog` is documented to be without effect. What is documented is `GET /v1/lists`:
it needs a key, changes nothing and names nobody. It is content with the public key alone, so it proves that one
only; a proxy may not pass it on at all. What is left open the first event tells: refused, it stops the connection
and is kept.
"""

from __future__ import annotations

from hogline.destinations.base import Check, Send, Unreachable
from hogline.destinations.engage.options import HOST, Options
from hogline.destinations.http_answers import passes
from hogline.model import Request, Response

_LISTS = "/v1/lists?limit=1"


async def check(options: Options, send: Send) -> Check:
    """Asks for one mailing list. Never raises for what is answered, or for no answer."""
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
        return Check("refused", "Engage refused the keys (401). Check the public key and the secret key.")
    if 300 <= status < 400:
        return Check(
            "unreachable",
            f"{options.base_url} answers with a redirect ({status}), which is not followed. API base URL is"
            f" https://{HOST}, or that of a proxy.",
        )
    if passes(status):
        return Check("unreachable", f"Engage cannot answer now ({status}). Try again later.")
    if 200 <= status < 300:
        return Check("ok", "Engage knows the public key. Whether the secret key is good, the first event will tell.")
    return Check(
        "ok",
        f"{options.base_url} answers, but does not say whether the keys are good ({status}). The first event will"
        " tell.",
    )
