"""What a connection asks for, and how what was typed becomes usable. No sentence repeats a secret."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from hogline.destinations.base import PACE, Option
from hogline.destinations.endpoint import BadEndpoint, base_url
from hogline.destinations.given import OptionReader
from hogline.destinations.names import Names, names_of
from msgspec import Struct

PREFIX = "whsec_"

OPTIONS = (
    Option(
        key="url",
        title="URL",
        kind="text",
        required=True,
        hint="Where events are posted to: https, or http on this machine.",
    ),
    Option(
        key="signing_secret",
        title="Signing secret",
        kind="text",
        required=True,
        secret=True,
        hint="whsec_ and the Base64 of 24 to 64 random bytes. Your server needs the same one.",
    ),
    Option(
        key="events",
        title="Events",
        kind="text",
        hint="Comma-separated. If set, only these events are sent. A name with - before it is left out instead, and a *"
        " at the end stands for any rest: -$ai_*.",
    ),
    PACE,
)


class Options(Struct, frozen=True, kw_only=True):
    """Ready for use. Its text form shows no secret."""

    base_url: str
    secret: bytes
    events: Names
    requests_per_second: int

    def __repr__(self) -> str:
        return f"Options(base_url={self.base_url!r}, secret=***)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("base_url", self.base_url), ("secret", "***")]


def read_options(values: Mapping[str, object]) -> Options:
    """Finds all mistakes at once. Raises `InvalidOptions`."""
    given = OptionReader("Signed webhook", OPTIONS, values)
    options = Options(
        base_url=_url(given),
        secret=_secret(given),
        events=names_of(given.names("events")),
        requests_per_second=given.whole_number(PACE.key),
    )
    given.check()
    return options


def _url(given: OptionReader) -> str:
    text = given.text("url")
    if not text:
        given.problem("url", "is missing.")
        return ""
    try:
        return base_url(text, example="https://shop.example/events")
    except BadEndpoint as why:
        given.problem("url", str(why))
        return ""


def _secret(given: OptionReader) -> bytes:
    text = given.credential("signing_secret")
    if not text:
        return b""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(PREFIX) or not 24 <= len(secret) <= 64:
        given.problem("signing_secret", f"must be {PREFIX} and the Base64 of 24 to 64 bytes.")
    return secret
