"""The rules for passwords, however they are set, and their hashes."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10
LONGEST = 1_000
FEWEST_CHARACTERS = 5
"""Different characters."""

HASHER = PasswordHasher()
_COMMON = frozenset(
    {
        "password", "passwort", "qwerty", "qwertz", "azerty", "letmein", "welcome", "changeme", "iloveyou", "admin",
        "administrator", "hogline", "posthog", "customerio", "secret", "abc", "asdfghjkl", "qwertyuiop", "zxcvbnm",
        "monkey", "dragon", "sunshine", "princess", "football", "test", "default", "root", "console",
    }
)  # fmt: skip
"""The first guesses, with digits and signs around them."""
_SEQUENCES = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


def problem_of(password: str, name: str = "") -> str | None:
    """Why this cannot be a password, as the rest of a sentence that begins with what it is; None: it can be.

    `name`: the account's, which must not be the password.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        return f"must have {SHORTEST} to {LONGEST:,} characters"
    lowered = password.lower()
    bare = lowered.strip("0123456789!?.,-_*#$@ ")
    if len(set(password)) < FEWEST_CHARACTERS or _is_sequence(lowered):
        return "is too easy to guess: it repeats, or follows the alphabet or the keyboard"
    if bare in _COMMON or not bare.strip() or (name and bare in {name.lower(), name.lower().partition("@")[0]}):
        return "is too easy to guess: it is a common word, a number or the account's name"
    return None


def _is_sequence(text: str) -> bool:
    return any(text in sequence or text in sequence[::-1] for sequence in _SEQUENCES)


def make() -> str:
    """A password that nobody can guess: 80 bits, in groups that can be read aloud."""
    return "-".join(secrets.token_hex(2) for _ in range(5))


def hashed(password: str) -> str:
    return HASHER.hash(password)


def matches(kept: str, password: str) -> bool:
    """Whether it is the password of that hash. Takes 0.1 s and 64 MB, even if there is no hash, so the time does not
    reveal which accounts exist.
    """
    try:
        return HASHER.verify(kept or _nobodys(), password) and bool(kept)
    except (VerificationError, InvalidHashError):
        return False


_nobody: list[str] = []


def _nobodys() -> str:
    if not _nobody:
        _nobody.append(hashed(secrets.token_hex(16)))
    return _nobody[0]
