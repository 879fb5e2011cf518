"""Names under which people write an email where PostHog does not look for one: a closed list, so that they can be
counted by name. Knows nothing of what an email is.
"""

from __future__ import annotations

from collections.abc import Iterator

from hogline.posthog.entry import Said

USUAL = "email"
"""The name under which PostHog itself looks for it."""

_WORDS = (
    ("email",),
    ("e", "mail"),
    ("mail",),
    ("email", "address"),
    ("user", "email"),
    ("contact", "email"),
    ("primary", "email"),
)


def _spelled(words: tuple[str, ...]) -> Iterator[str]:
    capitals = [word.capitalize() for word in words]
    for mark in ("", "_", "-", " "):
        yield mark.join(words)
        yield mark.join(capitals)
        yield mark.join(words).upper()
        yield mark.join((words[0], *capitals[1:]))
    yield "".join(words).capitalize()


EMAIL_NAMES = frozenset(
    mark + name for words in _WORDS for name in _spelled(words) for mark in ("", "$") if mark + name != USUAL
)


def emails_elsewhere(said: Said) -> list[str]:
    """Those of `EMAIL_NAMES` under which an event, or PostHog's person, has a text with an @."""
    places = [place for place in (said.set, said.set_once, said.person) if place]
    return sorted({name for place in places for name in place.keys() & EMAIL_NAMES if "@" in str(place[name])})
