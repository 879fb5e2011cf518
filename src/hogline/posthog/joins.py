"""Which ids PostHog joins into one person, and which it refuses to.

The rules of PostHog's documentation on identifying users, as a table and one function. Knows nothing of who
is identified already: that protection needs what is remembered, and is the caller's.
"""

from __future__ import annotations

from msgspec import Struct

from hogline.model import Event

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


class Join(Struct, frozen=True):
    """Two ids that belong to one person."""

    distinct_id: str
    """Whose person stays."""
    other: str
    protected: bool
    """PostHog does not do it if `other` is identified already."""


def may_be_joined(distinct_id: str) -> bool:
    """Whether PostHog merges this id at all: many senders share the ids that it refuses."""
    if not distinct_id.strip() or "\0" in distinct_id or len(distinct_id) > _LONGEST:
        return False
    bare = distinct_id
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1]
    return bool(bare.strip()) and bare not in _IN_THIS_CASE and bare.lower() not in _IN_ANY_CASE


def join_of(event: Event) -> Join | None:
    """The join that an event asks for, None if it asks for none or PostHog would refuse it."""
    match event.name:
        case "$identify":
            other = event.properties.get("$anon_distinct_id")
        case "$create_alias" | "$merge_dangerously":
            other = event.properties.get("alias")
        case _:
            return None
    if not isinstance(other, str) or other == event.distinct_id:
        return None
    if not may_be_joined(event.distinct_id) or not may_be_joined(other):
        return None
    return Join(event.distinct_id, other, protected=event.name != "$merge_dangerously")
