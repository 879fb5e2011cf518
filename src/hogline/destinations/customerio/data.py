"""An event's data as Customer.io gets it: which properties are sent, dates, and names with a special meaning."""

from __future__ import annotations

import msgspec

from hogline.destinations.customerio import limits
from hogline.destinations.customerio.options import Options
from hogline.posthog.entry import Entry

_CHAIN = "$elements_chain"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


def event_data(entry: Entry, name: str, options: Options) -> tuple[bytes, tuple[str, ...]]:
    """The event's data as JSON text, without names that could redirect a campaign's mail; and the reasons to count for
    it and for the event's name at Customer.io."""
    adjusted: tuple[str, ...] = ()
    if len(name) * 4 > limits.EVENT_NAME_BYTES and limits.event_name(name.strip())[1] is not None:
        adjusted = ("event_name_cut",)
    text = _selected(entry, options)
    if not entry.careful:
        return text, adjusted
    data, renamed = limits.event_data(_decode(text))
    return (_encode(data), adjusted + renamed) if renamed else (text, adjusted)


def _selected(entry: Entry, options: Options) -> bytes:
    """The properties that the options select."""
    taken = options.event_properties
    if entry.aside is not None and options.takes_data_as_it_is:
        text = entry.data
    elif not taken and not options.event_dates:
        text = entry.whole
    else:
        data = {name: value for name, value in _decode(entry.whole).items() if taken.takes(name)}
        if options.event_dates:
            data = {name: options.event_dates.converted(name, value) for name, value in data.items()}
        text = _encode(data)
    chain = entry.said.elements_chain if entry.said is not None else ""
    if chain and b'"$elements_chain"' not in text and taken.takes(_CHAIN):
        # What was clicked; PostHog stores it outside the properties.
        text = b'%b%b"$elements_chain":%b}' % (text[:-1], b"" if text == b"{}" else b",", _encode(chain))
    return text


def left_out(entry: Entry, options: Options) -> list[str]:
    """The event's properties that are not sent."""
    return [name for name in _decode(entry.whole) if not options.event_properties.takes(name)]
