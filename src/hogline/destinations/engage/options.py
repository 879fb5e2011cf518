"""The options of an Engage connection, and how they are read.

Finds all mistakes in one pass, and names each in a sentence that never repeats a secret. Whether the keys work is up to
Engage (`check`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from hogline.destinations.base import PACE, Option
from hogline.destinations.endpoint import BadEndpoint, base_url
from hogline.destinations.given import OptionReader

HOST = "api.engage.so"
_BASE_URL = f"https://{HOST}"

OPTIONS: tuple[Option, ...] = (
    Option(
        key="public_key",
        title="Engage Public Key",
        kind="text",
        required=True,
        secret=True,
        hint="From your Engage dashboard: Settings, Account.",
    ),
    Option(
        key="secret_key",
        title="Engage Secret Key",
        kind="text",
        required=True,
        secret=True,
        hint="From your Engage dashboard, next to the public key. PostHog calls it the private key.",
    ),
    Option(
        key="event_allowlist",
        title="PostHog Event Allowlist",
        kind="text",
        hint="Comma-separated. If set, only these events are sent, of those that Engage accepts: your own events,"
        " $identify, $set, $unset, $groupidentify and $create_alias.",
    ),
    Option(
        key="api_base_url",
        title="API base URL",
        kind="text",
        default=_BASE_URL,
        hint="Only change it for a proxy or the sandbox: https, or http on this machine.",
    ),
    replace(
        PACE,
        hint="Maximum number of requests per second. Engage gets each event in a separate request, so"
        " this is also the maximum number of events.",
    ),
)


class Options(Struct, frozen=True, kw_only=True):
    """A connection's options, ready for use. Its repr shows no secret."""

    base_url: str
    """Scheme, host, perhaps a port and a path, without a slash at the end."""
    authorization: str
    """The HTTP header's value, a secret."""
    allowlist: frozenset[str] = frozenset()
    """Empty: every event that Engage accepts is sent."""
    requests_per_second: int = 100

    def __repr__(self) -> str:
        return f"Options(base_url={self.base_url!r}, authorization=***)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("base_url", self.base_url), ("authorization", "***")]


def read_options(values: Mapping[str, object]) -> Options:
    """Options from text as typed, or JSON values; None counts as not given. Raises `InvalidOptions`."""
    given = OptionReader("Engage", OPTIONS, values)
    public_key = given.credential("public_key")
    secret_key = given.credential("secret_key")
    options = Options(
        base_url=_endpoint(given, "api_base_url"),
        authorization="Basic " + base64.b64encode(f"{public_key}:{secret_key}".encode()).decode(),
        allowlist=given.names("event_allowlist"),
        requests_per_second=given.whole_number(PACE.key),
    )
    if ":" in public_key:
        given.problem("public_key", "has a colon in it. Give the public key alone, without the secret key.")
    given.check()
    return options


def _endpoint(given: OptionReader, key: str) -> str:
    try:
        return base_url(given.text(key) or _BASE_URL, example=HOST)
    except BadEndpoint as why:
        given.problem(key, str(why))
        return ""
