"""What one event becomes: itself, as PostHog's webhook sends it, or the rule that keeps it from being sent.

Engage knows people and merges them itself, so nothing is remembered about anyone. Pure: no clock, network or disk.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from hogline.destinations.base import Written
from hogline.destinations.engage.options import Options
from hogline.model import Operation
from hogline.posthog.entry import NOT_A_NUMBER, NOTHING, Entry, Said
from hogline.posthog.identity import is_cookieless
from hogline.posthog.values import not_numbers

PATH = "/posthog"
POSTHOGS_OWN = frozenset({"$identify", "$set", "$unset", "$groupidentify", "$create_alias"})
"""Those of PostHog's own events (`$…`) that Engage accepts."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


def forward(entry: Entry, options: Options) -> Written | str:
    filtered = _filtered(entry, options)
    if filtered is not None:
        return filtered
    said = entry.said or NOTHING
    body = _encode(
        {
            "uuid": entry.uuid,
            "event": entry.name,
            "distinct_id": entry.distinct_id,
            "properties": _properties(entry, said),
            "timestamp": _iso(entry.timestamp_ms),
            "elements_chain": said.elements_chain,
            "url": said.url,
        }
    )
    # It has a path, so each event is a request.
    lost = not_numbers(said.set) + not_numbers(said.set_once) if b"null" in body else 0
    return Written(Operation("event", body, path=PATH), (NOT_A_NUMBER,) * lost)


def _filtered(entry: Entry, options: Options) -> str | None:
    """The rule that keeps an event from being sent; None if it is sent."""
    if is_cookieless(entry.distinct_id):
        return "cookieless"  # a different id tomorrow: Engage would keep a user for each day
    name = entry.name.strip()
    if name.startswith("$") and name not in POSTHOGS_OWN:
        return "not_for_engage"
    if options.allowlist and name not in options.allowlist:
        return "not_in_allowlist"
    return None


def _properties(entry: Entry, said: Said) -> msgspec.Raw:
    """The event's properties, with `$set` and the like among them, as in PostHog's webhook."""
    data = entry.whole
    told = {"$set": said.set, "$set_once": said.set_once, "$unset": said.unset}
    back = _encode({name: value for name, value in told.items() if value})
    if back == b"{}":
        return msgspec.Raw(data)
    between = b"," if data != b"{}" else b""
    return msgspec.Raw(b"%b%b%b" % (data[:-1], between, back[1:]))


def _iso(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
