"""The names of pages and screens at Customer.io, which its segments and triggers use."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from hogline.posthog.entry import Entry

_URL = b'"$current_url":"'
KINDS = {"$pageview": "page", "$screen": "screen"}


class _Place(Struct):
    url: object = field(default=None, name="$current_url")
    path: object = field(default=None, name="$pathname")
    screen: object = field(default=None, name="$screen_name")


_place = msgspec.json.Decoder(_Place).decode


def kind_of(event_name: str) -> str:
    return KINDS.get(event_name) or KINDS.get(event_name.strip(), "event")


def named(entry: Entry, names: Literal["url", "path", "event"]) -> str:
    """The name of an event. A page's is its URL without query and fragment, or its path; a screen's is its name. If
    that is missing, it is PostHog's name."""
    kind = kind_of(entry.name)
    if names == "event" or kind == "event":
        return entry.name
    if kind == "page" and names == "url" and (url := _url_in(entry.data)) is not None:
        return _bare(url) or entry.name
    place = _place(entry.data)
    if kind == "screen":
        return _text(place.screen) or entry.name
    if names == "path" and (path := _text(place.path)):
        return path
    url = _text(place.url)
    return (_path(url) if names == "path" else _bare(url)) or entry.name


def _url_in(data: bytes) -> str | None:
    """The page's URL in an event's data without decoding all of it; None if that cannot be seen at a glance: another
    object stands before it, or it has something escaped."""
    start = data.find(_URL)
    if start < 0 or data.find(b"{", 1, start) >= 0:
        return None
    start += len(_URL)
    text = data[start : data.find(b'"', start)]
    return None if b"\\" in text else text.decode().strip()


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _bare(url: str) -> str:
    """Without query and fragment."""
    return url.partition("#")[0].partition("?")[0].rstrip()


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
