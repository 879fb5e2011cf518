"""A PostHog event's uuid as the ULID that Customer.io asks for.

Both are 128 bits, so the uuid is written in other digits and nothing is lost: the same event has the same
ULID on every retry, replay and backfill. The time inside a ULID is not used by Customer.io.
"""

from __future__ import annotations

from itertools import product

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# 26 digits of 5 bits: two at first, then eight times three. Looked up by three they take a third of the steps.
_TWO = tuple(map("".join, product(_DIGITS, repeat=2)))
_THREE = tuple(map("".join, product(_DIGITS, repeat=3)))
_SHIFTS = tuple(range(105, -1, -15))


def ulid(uuid: str) -> str:
    """The 26 characters (Crockford's base 32) of a canonical uuid; raises ValueError for another text."""
    if len(uuid) != 36:
        raise ValueError("An event's uuid has 36 characters.")
    bits = int(uuid.replace("-", ""), 16)
    return _TWO[bits >> 120] + "".join([_THREE[(bits >> shift) & 0x7FFF] for shift in _SHIFTS])
