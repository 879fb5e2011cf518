"""Which ids PostHog joins into one person, and which it refuses to.

The rules of PostHog's documentation on identifying users. Knows nothing of what is remembered of anybody: who
is identified already is the caller's to say.
"""

from __future__ import annotations

import re

from msgspec import Struct

from hogline.model import Event
from hogline.posthog.meaning import other_id

_IN_ANY_CASE = frozenset(
    {
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
    }
)
_IN_THIS_CASE = frozenset({"[object Object]", "NaN", "None", "none", "null", "0", "undefined"})
_LONGEST = 400
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Join(Struct, frozen=True):
    """Two ids that an event says belong to one person."""

    distinct_id: str
    other: str
    protected: bool
    """PostHog does not join somebody who is identified into somebody else."""
    either_way: bool
    """The event does not say reliably whose person stays: some SDKs put the new id first, others the old one."""


def may_be_joined(distinct_id: str) -> bool:
    """Whether PostHog merges this id at all: many senders share the ids that it refuses, and a cookieless visitor's
    id is somebody else's tomorrow.
    """
    if not distinct_id.strip() or "\0" in distinct_id or len(distinct_id) > _LONGEST:
        return False
    if distinct_id.startswith(("cookieless_", "$posthog_cookieless")):
        return False
    bare = distinct_id
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1]
    return bool(bare.strip()) and bare not in _IN_THIS_CASE and bare.lower() not in _IN_ANY_CASE


def asks_too_much(event: Event) -> bool:
    """Whether an event asks for a join that its sender may not ask for: `$merge_dangerously` makes one of two known
    people, so it is accepted from servers only, not with the public token, which anyone can read in a page.
    """
    return event.public and event.name == "$merge_dangerously"


def join_of(event: Event) -> Join | None:
    """The join that an event asks for, None if it asks for none, or for one that is refused, by PostHog or here."""
    name = event.name
    if asks_too_much(event):
        return None
    other = other_id(name, event.properties)
    if event.personless or other is None or other == event.distinct_id:
        return None
    if not may_be_joined(event.distinct_id) or not may_be_joined(other):
        return None
    return Join(event.distinct_id, other, name != "$merge_dangerously", name == "$create_alias")


def who_stays(join: Join, *, identified: bool, other_identified: bool) -> str | None:
    """The id of the two whose person the other becomes part of; None: PostHog keeps them apart.

    The identified person stays. Where nobody is and the event does not tell, an id that is no UUID stays, since
    PostHog gives anonymous users UUIDs.
    """
    if join.protected and other_identified and (identified or not join.either_way):
        return None
    if not join.either_way or identified:
        return join.distinct_id
    turned = other_identified or (_is_uuid(join.distinct_id) and not _is_uuid(join.other))
    return join.other if turned else join.distinct_id


def _is_uuid(distinct_id: str) -> bool:
    return _UUID.fullmatch(distinct_id) is not None
