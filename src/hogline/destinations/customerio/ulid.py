"""A PostHog event's uuid as the ULID that Customer.io asks for.

Both are 128 bits, so the uuid is written in other digits and nothing is lost: the same event has the same
ULID on every retry, replay and backfill. The time inside a ULID is not used by Customer.io.
"""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Longer pieces would mean fewer steps, and a table that does not fit the caches: measured, and slower.
_PAIRS = tuple(one + other for one in _DIGITS for other in _DIGITS)
_SHIFTS = tuple(range(120, -1, -10))


def ulid(uuid: str) -> str:
    """The 26 characters (Crockford's base 32) of a canonical uuid; raises ValueError for another text."""
    if len(uuid) != 36:
        raise ValueError("An event's uuid has 36 characters.")
    bits = int(uuid.replace("-", ""), 16)
    return "".join([_PAIRS[(bits >> shift) & 1023] for shift in _SHIFTS])
