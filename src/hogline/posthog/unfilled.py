"""A webhook's body in which PostHog has not filled in `{event}`: as it is typed there, or with other templating.

Without this, `{event.distinct_id}` would become a person.
"""

from __future__ import annotations

import re

from hogline.posthog.bounds import NotJson
from hogline.posthog.received import Unreadable
from hogline.posthog.repair import decode

_TEMPLATE = re.compile(r"\s*\{\s*(event|person)\b[^{}\"]*\}\s*")
_SIGN = re.compile(rb"\{\s*(event|person)\b[^{}\"]*\}")
"""JSON hardly ever has it: an object's names are in quotes."""
_PLACES = ("event", "distinct_id", "properties", "person")


def check_filled(body: bytes) -> None:
    """Raises `Unreadable` if a template is in the place of the event or of a part of it. Elsewhere it is just text."""
    if _SIGN.search(body) is None:
        return
    try:
        value = decode(body).value
    except NotJson:
        unfilled = True
    else:
        unfilled = _is_unfilled(value) or (
            isinstance(value, dict) and any(_is_unfilled(value.get(place)) for place in _PLACES)
        )
    if unfilled:
        raise Unreadable(
            "PostHog did not fill in {event} in the body. In its HTTP Webhook destination, set the templating of the"
            ' body to Hog (not Liquid), and the body to {"event": "{event}", "person": "{person}"}.',
            reason="template_not_filled",
        )


def _is_unfilled(value: object) -> bool:
    if isinstance(value, dict):
        return any(isinstance(value.get(place), str) and _TEMPLATE.fullmatch(value[place]) for place in _PLACES)
    return isinstance(value, str) and _TEMPLATE.fullmatch(value) is not None
