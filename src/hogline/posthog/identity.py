"""Which event and whose: PostHog's `uuid` and `distinct_id` in their one form.

Knows nothing of what else an event says.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable
from typing import TypeAlias

UUID_DERIVED = "uuid_derived"
UUID_MISSING = "uuid_missing"
DISTINCT_ID_AS_TEXT = "distinct_id_as_text"
DISTINCT_ID_CUT = "distinct_id_cut"

CAPTURED_DISTINCT_ID = 200
"""Characters that PostHog's capture keeps of a `distinct_id`."""

ABSENT = object()
"""In the place of a `uuid` that is not there at all."""

NewUuid: TypeAlias = Callable[[int], str]
"""Makes the uuid of an event that came without one, from the time of receipt in milliseconds."""

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_NIL = str(uuid.UUID(int=0))
"""What is written for a uuid that was never set."""
_NAMESPACE = uuid.UUID("6f0d1c9e-5b1f-4c53-9a77-2f3f5f1d8f4e")
"""Ours, and fixed for ever: a text that is no UUID gives the same event today and in ten years."""


def uuid7(received_ms: int) -> str:
    """A new UUID of version 7 (RFC 9562): it sorts by time, its other bits are random."""
    random = int.from_bytes(os.urandom(10))
    bits = (
        (received_ms & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | (random >> 62 & 0xFFF) << 64
        | 0b10 << 62
        | random & 0x3FFF_FFFF_FFFF_FFFF
    )
    return str(uuid.UUID(int=bits))


def event_uuid(value: object, received_ms: int, new_uuid: NewUuid, reasons: list[str]) -> str:
    """The event's UUID in its canonical form: lower case, with hyphens.

    Missing, empty or nil: a new one; all but the first are recorded. Something else than a UUID: one derived from it,
    the same every time, so that a repeat stays the same event.
    """
    if isinstance(value, str):
        if _CANONICAL(value) and value != _NIL:
            return value
        text = value.strip()
    elif value is None or value is ABSENT:
        text = ""
    else:
        text = json_text(value)
    try:
        canonical = str(uuid.UUID(text)) if text else _NIL
    except ValueError:
        reasons.append(UUID_DERIVED)
        return str(uuid.uuid5(_NAMESPACE, text))
    if canonical != _NIL:
        return canonical
    if value is not ABSENT:
        reasons.append(UUID_MISSING)
    return new_uuid(received_ms)


_NOBODYS = frozenset({
    "group_event", "group_events", "static_string_for_group_events", "server", "backend", "system", "cron", "worker",
    "anonymous", "unknown", "undefined", "null", "none", "distinct_id", "test",
})  # fmt: skip


def is_nobodys(distinct_id: str) -> bool:
    """Whether it is one of the constants that servers send what is nobody's under, such as events of a group: a closed
    list, so that they can be counted by name."""
    return distinct_id in _NOBODYS


def is_uuid(text: str) -> bool:
    """Whether it is one in its canonical form, be it in capitals."""
    return _CANONICAL(text.lower()) is not None


def is_visitors_uuid(text: str) -> bool:
    """Whether it is a UUID as PostHog's SDKs make them for visitors today: version 7, in lowercase."""
    return _CANONICAL(text) is not None and text[14] == "7"


def uuid_of(*parts: bytes) -> str:
    """A UUID made of these parts and nothing else: the same for ever."""
    digest = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
    for part in parts:
        digest.update(b"%d " % len(part) + part)
    return str(uuid.UUID(bytes=digest.digest()[:16], version=5))


def id_text(value: object, reasons: list[str]) -> str:
    """A `distinct_id` of any JSON type as PostHog makes it text; blank if there is none."""
    if isinstance(value, str):
        return value if value.strip() else ""
    if value is None:
        return ""
    reasons.append(DISTINCT_ID_AS_TEXT)
    return json_text(value)


def cut_captured(distinct_id: str, reasons: list[str]) -> str:
    """What PostHog's capture keeps of it."""
    if len(distinct_id) <= CAPTURED_DISTINCT_ID:
        return distinct_id
    reasons.append(DISTINCT_ID_CUT)
    return distinct_id[:CAPTURED_DISTINCT_ID]


def json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_cookieless(distinct_id: str) -> bool:
    """Whether this id is a cookieless visitor's. It changes every day, so it says nothing about a person.

    PostHog's SDKs send `$posthog_cookieless`; PostHog turns it into `cookieless_` and a hash of the day.
    """
    return distinct_id.startswith("cookieless_") or distinct_id == "$posthog_cookieless"
