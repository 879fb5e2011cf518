"""A PostHog event's uuid as the ULID that Customer.io asks for.

Both have 128 bits, so the uuid is written in other digits and nothing is lost: the same event has the same ULID on
every retry, replay and backfill. Customer.io does not use the time in a ULID.
"""

from __future__ import annotations

_DIGITS = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGIT_OF = bytes(_DIGITS[byte % 32] for byte in range(256))


def _halving() -> list[tuple[int, int]]:
    """How 32 digits of five bits are spread over 32 bytes: the upper half of all digits moves away from the lower one,
    then the same in each half, and so on. The upper one's mask; and how many times it is added, so that it is there
    once, but moved."""
    steps = []
    for digits in (16, 8, 4, 2, 1):
        lower = sum(((1 << 5 * digits) - 1) << place for place in range(0, 256, 16 * digits))
        steps.append((lower << 5 * digits, (1 << 3 * digits) - 1))
    return steps


_STEPS = _halving()


def ulid(uuid: str) -> bytes:
    """The 26 characters (Crockford's base 32) of a canonical uuid. Raises ValueError for any other text."""
    if len(uuid) != 36:
        raise ValueError("An event's uuid has 36 characters.")
    bits = int(uuid.replace("-", ""), 16)
    for upper, times in _STEPS:
        bits += (bits & upper) * times
    return bits.to_bytes(26, "big").translate(_DIGIT_OF)
