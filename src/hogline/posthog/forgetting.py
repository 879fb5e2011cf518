"""What is left of an event when somebody is forgotten: nothing of theirs; of others' events, all but their name."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from hogline.posthog.entry import FORGOTTEN, decode_event, encode_event
from hogline.posthog.meaning import id_of

_NAMING = ("$anon_distinct_id", "alias")
"""Properties that name another id of the same person, or of one that was not joined: PostHog reads them as text."""


def without(body: bytes, distinct_ids: Collection[str]) -> bytes | None:
    """An event, as the journal keeps it, without these people; None if it has nothing of them.

    What others say of them in properties of their own is not looked for: those are others' data.
    """
    event = decode_event(body)
    if event.distinct_id in distinct_ids:
        return FORGOTTEN
    naming = [name for name in _NAMING if id_of(event.properties.get(name)) in distinct_ids]
    if not naming:
        return None
    return encode_event(
        replace(event, properties={name: value for name, value in event.properties.items() if name not in naming})
    )
