"""Asks Customer.io whether a connection's credentials work.

`GET /api/v1/accounts/region` returns the workspace's region, on the host of either region. Every possible response, and
no response, becomes a `Check` with a sentence about what to do.
"""

from __future__ import annotations

import re

import msgspec

from hogline.destinations.base import Check, Send, Unreachable
from hogline.destinations.customerio.endpoint import EU, US
from hogline.destinations.customerio.options import Options
from hogline.model import Request, Response

_HOST_OF = {"us": US, "eu": EU}
_REGION_OF = {f"https://{host}": region for region, host in _HOST_OF.items()}
_REGION = re.compile(r"[a-z][a-z0-9-]{0,19}")


async def check(options: Options, send: Send) -> Check:
    """Asks for the workspace's region. Never raises for a response, or for none."""
    request = Request(
        "GET",
        f"{options.base_url}/api/v1/accounts/region",
        {"authorization": options.authorization, "accept": "application/json"},
    )
    try:
        response = await send(request)
    except Unreachable as why:
        return Check(
            "unreachable",
            f"Customer.io cannot be reached at {options.base_url}: {why}. Check the network and Tracking"
            " Endpoint, then try again.",
        )
    return _read(options, response)


def _read(options: Options, response: Response) -> Check:
    status = response.status
    if status in {401, 403}:
        return Check(
            "refused",
            f"Customer.io rejected the credentials ({status}). Check the Site ID and the API Key.",
        )
    if 300 <= status < 400:
        return _read_redirect(status, response.headers.get("location", ""))
    if status in {408, 429} or status >= 500:
        return Check("unreachable", f"Customer.io is not available ({status}). Try again later.")
    found = _region(response.body) if status == 200 else None
    if found is None:
        return Check(
            "unreachable",
            f"{options.base_url} is not Customer.io's Track API ({status}). Choose {US} or"
            f" {EU} as Tracking Endpoint, or correct the base URL.",
        )
    region, workspace = found
    # Behind another base URL is a proxy or the sandbox, which knows where it sends.
    own_region = _REGION_OF.get(options.base_url)
    if own_region is not None and region != own_region:
        choose = f"Choose {_HOST_OF[region]}" if region in _HOST_OF else "Choose another host"
        return Check(
            "wrong_region",
            f"The workspace is in Customer.io's {region.upper()} region. {choose} as Tracking Endpoint.",
            region,
            workspace,
        )
    named = f"workspace {workspace}, " if workspace is not None else ""
    return Check("ok", f"The credentials work: {named}{region.upper()} region.", region, workspace)


def _read_redirect(status: int, location: str) -> Check:
    for region, host in _HOST_OF.items():
        if location.startswith(f"https://{host}/"):
            return Check(
                "wrong_region",
                f"The workspace is in Customer.io's {region.upper()} region. Choose {host} as Tracking Endpoint.",
                region,
            )
    return Check(
        "wrong_region",
        f"Tracking Endpoint returns a redirect ({status}), which Hogline does not follow. Choose {US} or {EU},"
        " or correct the base URL.",
    )


def _region(body: bytes) -> tuple[str, str | None] | None:
    """Region and workspace from the response; None: it is not Customer.io's."""
    try:
        answer: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    region, workspace = answer.get("region"), answer.get("environment_id")
    if not isinstance(region, str) or not _REGION.fullmatch(region.lower()):
        return None
    known = isinstance(workspace, int) and not isinstance(workspace, bool)
    return region.lower(), str(workspace) if known else None
