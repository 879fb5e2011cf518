"""The project's tokens: Hogline's own, and the project's PostHog key, which your sites already use.

Knows no database. Errors about a key do not quote it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from msgspec import Struct

from hogline.store.base import TokenKind

_MADE_HERE = "hog_"
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""PostHog's keys are `phc_` and 43 letters and digits; older ones have no prefix. PostHog allows up to 64 characters.
"""
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
    """The prefix shows the kind."""
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
        raise BadKey("Tokens that begin with hog_ come from Hogline. Create one with `hogline token --rotate`.")
    if not _KEY.fullmatch(text):
        raise BadKey(
            "This is not a PostHog project API key. It has 8 to 64 letters, digits, hyphens and underscores, and "
            "begins with phc_ (in PostHog: Settings, Project)."
        )
    return Token(text)


def made_here(tokens: Iterable[str]) -> list[str]:
    return [text for text in tokens if Token(text).made_here]
