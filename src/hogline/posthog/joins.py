"""Which ids PostHog joins at all.

The rules of PostHog's documentation on identifying users. Knows nothing of what is remembered of anybody.
"""

from __future__ import annotations

from hogline.posthog.identity import is_cookieless

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


def may_be_joined(distinct_id: str) -> bool:
    """Whether PostHog merges this id at all: many senders share the ids that it refuses, and a cookieless visitor's
    id is somebody else's tomorrow.
    """
    if not distinct_id.strip() or "\0" in distinct_id or len(distinct_id) > _LONGEST:
        return False
    if is_cookieless(distinct_id):
        return False
    bare = distinct_id
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1]
    return bool(bare.strip()) and bare not in _IN_THIS_CASE and bare.lower() not in _IN_ANY_CASE
