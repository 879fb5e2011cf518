"""What a project's token is: made here, or the project's own key at PostHog, which its sites already use.

Knows no database. What is wrong with a key is said without quoting it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from msgspec import Struct

from hogline.store.base import TokenKind

_MADE_HERE = "hog_"
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""PostHog's keys are `phc_` and 43 letters and digits, older ones without the prefix; it takes up to 64 characters."""
_SECRET = {
    "phx_": "a personal API key",
    "phs_": "a secret key of PostHog",
}


class Token(Struct, frozen=True):
    text: str

    @property
    def made_here(self) -> bool:
        return self.text.startswith(_MADE_HERE)


class BadKey(ValueError):
    """The text says what is wrong and what to do."""


def new_token(kind: TokenKind) -> Token:
    """One can tell the kinds apart by looking."""
    return Token(_MADE_HERE + ("pub_" if kind == "public" else "") + secrets.token_urlsafe(32))


def read_key(text: str) -> Token:
    """A project's own key. Raises `BadKey`."""
    text = text.strip()
    for prefix, kind in _SECRET.items():
        if text.startswith(prefix):
            raise BadKey(
                f"This is {kind}, which must never be in a page or an event. Give the project API key, which begins "
                "with phc_ (in PostHog: Settings, Project)."
            )
    if text.startswith(_MADE_HERE):
        raise BadKey("Tokens that begin with hog_ are made here: `hogline token --rotate` makes one.")
    if not _KEY.fullmatch(text):
        raise BadKey(
            "This is not a project API key of PostHog: it has 8 to 64 letters, digits, hyphens and underscores, and "
            "begins with phc_ (in PostHog: Settings, Project)."
        )
    return Token(text)


def made_here(tokens: Iterable[str]) -> list[str]:
    return [text for text in tokens if Token(text).made_here]
