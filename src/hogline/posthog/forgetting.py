"""Whom an event names, and what is left of it when somebody is forgotten: nothing of theirs; of others' events, all
but their name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec.structs import replace

from hogline.model import Event
from hogline.posthog.entry import FORGOTTEN, decode_event, encode_event
from hogline.posthog.meaning import id_of, other_id

_NAMING = ("$anon_distinct_id", "alias")
"""Properties that name another id of the same person, or of one that was not joined: PostHog reads them as text."""


def names_of(event: Event) -> Iterator[str]:
    """Every id and email under which an event comes: its user's, and another id that it says to be theirs too."""
    yield event.distinct_id
    visitor = event.properties.get("$anon_distinct_id")
    if visitor is not None:
        yield id_of(visitor)
    other = other_id(event.name, event.properties)
    if other is not None:
        yield other
    yield from emails_of(event)


def emails_of(event: Event) -> Iterator[str]:
    """Every email that an event says its user has."""
    for place in (event.set, event.set_once, event.person_properties):
        if isinstance(email := place.get("email"), str):
            yield email


def without(body: bytes, distinct_ids: Collection[str]) -> bytes | None:
    """An event, as the journal keeps it, without these people; None if it has nothing of them.

    Other people's properties that mention them are not searched: those are other people's data.
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
