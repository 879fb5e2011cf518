"""An event as the journal keeps it: what has a meaning beside its data, and the data as JSON text.

The text is written once, when the event comes in, and goes out as it is: behind the door nobody decodes it, but
anyone who looks at single events. Entries are MessagePack arrays: fields are added at the end, with a default, and none
is ever removed or moved.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Struct

from hogline.model import Event
from hogline.posthog.meaning import is_true, other_id
from hogline.posthog.plumbing import is_plumbing
from hogline.posthog.values import not_numbers

NOT_A_NUMBER = "not_a_number"
_HINTS = ("recipient", "address", "reply")


class Said(Struct, array_like=True, frozen=True, gc=False):
    """What an event says beside its data. Most say nothing."""

    set: dict[str, object] = {}
    set_once: dict[str, object] = {}
    unset: tuple[str, ...] = ()
    other: str | None = None
    """The other id of a join, as PostHog's `String()` makes it."""
    identified: bool = False
    """`$is_identified` is true."""
    personless: bool = False
    person: dict[str, object] = {}
    """PostHog's person at that time, where the shape carries it."""
    elements_chain: str = ""
    url: str = ""


NOTHING = Said()


class Entry(Struct, array_like=True, frozen=True, gc=False):
    uuid: str
    name: str
    distinct_id: str
    timestamp_ms: int
    received_ms: int
    data: bytes
    """The event's properties as JSON text, without `$set`, `$set_once`, `$unset`, and what is set aside."""
    said: Said | None = None
    repaired: tuple[str, ...] = ()
    careful: bool = True
    """Some name in the data is not plain: a destination that gives names a meaning has to look at it."""
    public: bool = False
    """See `Event.public`."""
    aside: bytes | None = None
    """What PostHog adds to the properties for itself, as JSON text; empty: nothing. None: the entry is older than this,
    and has it among its data."""

    @property
    def whole(self) -> bytes:
        """All properties as JSON text."""
        if not self.aside:
            return self.data
        return self.aside if self.data == b"{}" else b"%b,%b" % (self.data[:-1], self.aside[1:])

    @property
    def time_ms(self) -> int:
        """When the event happened; what claims to lie ahead happened when it was received."""
        return min(self.timestamp_ms, self.received_ms)


class Identity(Struct, frozen=True, array_like=True):
    """Which event it is, and whose: the first fields of an entry of any age."""

    uuid: str
    name: str
    distinct_id: str


class _Old(Struct, array_like=True, frozen=True):
    """An entry as it was written before the data was text."""

    uuid: str
    name: str
    distinct_id: str
    timestamp_ms: int
    received_ms: int
    properties: dict[str, object]
    set: dict[str, object] = {}
    set_once: dict[str, object] = {}
    unset: tuple[str, ...] = ()
    person_properties: dict[str, object] = {}
    personless: bool = False
    elements_chain: str = ""
    url: str = ""
    repaired: tuple[str, ...] = ()
    public: bool = False


_pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode
_decode_identity = msgspec.msgpack.Decoder(Identity).decode
_decode_old = msgspec.msgpack.Decoder(_Old).decode
_text = msgspec.json.Encoder().encode
_properties = msgspec.json.Decoder(dict[str, object]).decode


def encode_event(event: Event) -> bytes:
    """The event as the journal keeps it.

    Raises OverflowError for an integer beyond 64 bits and UnicodeEncodeError for a lone surrogate: reading repairs both
    before an event gets here.
    """
    return encode_entry(entry_of(event))


def encode_entry(entry: Entry) -> bytes:
    return _pack(entry)


def entry_of(event: Event) -> Entry:
    """Raises as `encode_event`."""
    properties = event.properties
    _pack(properties)  # integers beyond 64 bits: as JSON text they would go through
    plain, own = _looked_at(tuple(properties))
    aside, repaired = b"", event.repaired
    if own:
        rest = properties.copy()
        aside = _text({name: rest.pop(name) for name in own})
        text = _text(rest)
    else:
        text = _text(properties)
    if b"null" in text or b"null" in aside:
        repaired += (NOT_A_NUMBER,) * not_numbers(properties)
    return Entry(
        event.uuid,
        event.name,
        event.distinct_id,
        event.timestamp_ms,
        event.received_ms,
        text,
        _said(event),
        repaired,
        not plain,
        event.public,
        aside,
    )


def _said(event: Event) -> Said | None:
    properties = event.properties
    other = other_id(event.name, properties)
    identified = properties.get("$is_identified")
    if (
        other is None
        and not identified
        and not event.set
        and not event.unset
        and not event.personless
        and not event.person_properties
        and not event.set_once
        and not event.elements_chain
        and not event.url
    ):
        return None
    said = Said(
        event.set,
        event.set_once,
        event.unset,
        other,
        is_true(identified),
        event.personless,
        event.person_properties,
        event.elements_chain,
        event.url,
    )
    return None if said == NOTHING else said


@lru_cache(maxsize=4_096)
def _looked_at(names: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    """Whether all names are plain, and which are PostHog's own. Events of one kind have the same names."""
    text = "\n".join(names)
    plain = text.isascii() and not any(hint in text.lower() for hint in _HINTS)
    return plain, tuple(name for name in names if is_plumbing(name))


def decode_entry(body: bytes) -> Entry:
    """An entry of any age."""
    try:
        return _decode(body)
    except msgspec.ValidationError:
        old = _decode_old(body)
        return entry_of(Event(*(getattr(old, field) for field in _Old.__struct_fields__)))


def decode_identity(body: bytes) -> Identity:
    """Of an entry of any age; it costs much less than all of it."""
    return _decode_identity(body)


def decode_event(body: bytes) -> Event:
    """The whole event, its data decoded: for anyone who looks at single ones."""
    return event_of(decode_entry(body))


def event_of(entry: Entry) -> Event:
    said = entry.said or NOTHING
    return Event(
        entry.uuid,
        entry.name,
        entry.distinct_id,
        entry.timestamp_ms,
        entry.received_ms,
        _properties(entry.whole),
        said.set,
        said.set_once,
        said.unset,
        said.person,
        said.personless,
        said.elements_chain,
        said.url,
        entry.repaired,
        entry.public,
    )


FORGOTTEN = bytes.fromhex("9ea0a0a000008080809080c2a0a090")
"""What is in the place of an event whose user is forgotten: `Event("", "", "", 0, 0, {})`, in bytes that stay as
they are when entries change. No other entry has a blank `distinct_id`: the door refuses it."""
