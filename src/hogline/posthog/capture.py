"""What PostHog's SDKs send: one event, an array of events, or a batch in an envelope.

Two steps, so that a token can be checked in between: `open_capture` finds the token and the events,
`read_envelope` reads them. Knows no tokens, and no HTTP except for a few hints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from hogline.model import Event
from hogline.posthog.assemble import assemble, event_object, object_in
from hogline.posthog.bounds import NotJson
from hogline.posthog.identity import NewUuid, cut_captured, id_text, uuid7
from hogline.posthog.received import Batch, Collected, Receipt, Unreadable
from hogline.posthog.repair import decode, repair
from hogline.posthog.times import captured_time, known_time
from hogline.posthog.unpack import unpack, unpack_text

Admits: TypeAlias = Callable[[bytes, Mapping[str, str]], bool]
"""Whether a text may be decoded, from its bytes and the fields of the query and the form."""

UNPACKED_BYTES = 20 * 1024 * 1024
BATCH_EVENTS = 10_000

TOKEN_KEYS = ("token", "api_key", "$token")
"""Where a token stands, in an envelope, a form, a query or an event; the first of them wins."""


class CaptureHints(Struct, frozen=True):
    """What a request says beside its body."""

    content_type: str = ""
    content_encoding: str = ""
    """In lower case."""
    query: Mapping[str, str] = {}
    engage: bool = False
    """Sent to `/engage`: an event without a name is `$identify`."""


class Envelope(Struct, frozen=True):
    """Events before they are read, with the fields they share."""

    token: str | None
    entries: Sequence[object]
    sent_at: object
    suspicious: bool
    engage: bool


_NO_HINTS = CaptureHints()


def open_capture(
    body: bytes,
    hints: CaptureHints = _NO_HINTS,
    *,
    admits: Admits | None = None,
    unpacked_bytes: int = UNPACKED_BYTES,
    batch_events: int = BATCH_EVENTS,
) -> Envelope:
    """The envelope in the query's `data`, or else in the body. Nothing is decoded that `admits` does not let in (None:
    all is). Raises `Unreadable`.
    """
    query = hints.query
    compression = query.get("compression", "") if query else ""
    fields: Mapping[str, str] = query
    data = query.get("data", "") if query else ""
    if data:
        text = unpack_text(data.encode(), compression=compression, limit_bytes=unpacked_bytes)
    else:
        unpacked = unpack(
            body,
            content_type=hints.content_type,
            content_encoding=hints.content_encoding,
            compression=compression,
            limit_bytes=unpacked_bytes,
        )
        text = unpacked.text
        if unpacked.fields:
            fields = {**query, **unpacked.fields}
    if admits is not None and not admits(text, fields):
        raise unknown_token()
    try:
        decoded = decode(text)
    except NotJson as wrong:
        raise Unreadable(wrong.sentence, wrong.status, wrong.reason) from None
    value = decoded.value
    entries, envelope = _entries(value)
    if not entries:
        raise Unreadable("The batch is empty.", reason="empty_batch")
    if len(entries) > batch_events:
        raise too_many_events(batch_events)
    sent_at = envelope.get("sent_at")
    if sent_at is None:
        # posthog-js says so in the query.
        sent_at = fields.get("_")
    return Envelope(
        _text_of(envelope, TOKEN_KEYS) or _text_of(fields, TOKEN_KEYS) or _token_of_entries(entries),
        entries,
        sent_at,
        decoded.suspicious,
        hints.engage,
    )


def unknown_token() -> Unreadable:
    sentence = "The token is missing or unknown. Send it as `api_key` or `token`. Run `hogline token` to see it."
    return Unreadable(sentence, 401, "unknown_token")


def too_many_events(most: int) -> Unreadable:
    return Unreadable(f"The batch has more than {most:,} events. Send it in parts.", 413, "too_many_events")


def _entries(value: object) -> tuple[Sequence[object], dict[str, object]]:
    if isinstance(value, list):
        return value, {}
    if not isinstance(value, dict):
        raise Unreadable("The body must be an event, an array of events or a batch.", reason="not_an_event")
    if "batch" not in value:
        return (value,), value
    batch = value["batch"]
    if not isinstance(batch, list):
        raise Unreadable("`batch` must be an array of events.", reason="not_an_event")
    return batch, value


def _text_of(holder: Mapping[str, object], keys: Sequence[str]) -> str | None:
    for key in keys:
        value = holder.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def _token_of_entries(entries: Sequence[object]) -> str | None:
    """The token that events carry themselves. Raises `Unreadable` if they belong to several projects."""
    tokens: set[str] = set()
    for entry in entries:
        if isinstance(entry, dict):
            token = _text_of(entry, TOKEN_KEYS)
            if token is None:
                properties = entry.get("properties")
                token = _text_of(properties, TOKEN_KEYS) if isinstance(properties, dict) else None
            if token is not None:
                tokens.add(token)
    if len(tokens) > 1:
        raise Unreadable("The events have different tokens. Send each project's events separately.", 401)
    return tokens.pop() if tokens else None


def read_envelope(envelope: Envelope, received_ms: int, new_uuid: NewUuid = uuid7, *, public: bool = False) -> Batch:
    """The events of an envelope, and what of it cannot be kept. `public`: see `Event.public`."""
    collected = Collected()
    receipt = Receipt(received_ms, new_uuid, public=public)
    sent_ms = known_time(envelope.sent_at)
    engage = envelope.engage
    suspicious = envelope.suspicious
    for entry in envelope.entries:
        reasons: list[str] = []
        value = repair(entry, reasons) if suspicious else entry
        try:
            collected.keep(
                read(event_object(value), receipt, reasons, sent_ms=sent_ms, engage=engage, token=envelope.token)
            )
        except Unreadable as problem:
            collected.refuse(problem)
    return collected.batch()


def read_capture(body: bytes, received_ms: int, hints: CaptureHints = _NO_HINTS, new_uuid: NewUuid = uuid7) -> Batch:
    """Both steps, without looking at the token. Raises `Unreadable`."""
    return read_envelope(open_capture(body, hints), received_ms, new_uuid)


def read(
    value: dict[str, object],
    receipt: Receipt,
    reasons: list[str],
    *,
    sent_ms: int | None = None,
    engage: bool = False,
    token: str | None = None,
) -> Event:
    """One captured event. `sent_ms`: when the client says that it sent it, None if that is not known.

    posthog-js repeats the project's token in every event's properties, and older SDKs have it there alone: it is
    no property, and no secret of ours is to travel on.

    Raises `Unreadable`.
    """
    properties = object_in(value, "properties", reasons)
    if "token" in properties and properties["token"] == (token or _text_of(value, TOKEN_KEYS) or properties["token"]):
        del properties["token"]
    identity = value.get("distinct_id")
    if identity is None:
        identity = value.get("$distinct_id")
        if identity is None:
            identity = properties.get("distinct_id")
    name = value.get("event")
    if name is None and engage:
        name = "$identify"
    if sent_ms is not None and properties.get("$ignore_sent_at") is True:
        sent_ms = None
    return assemble(
        value,
        properties,
        receipt,
        reasons,
        name=name,
        distinct_id=cut_captured(id_text(identity, reasons), reasons),
        timestamp_ms=captured_time(value, sent_ms, receipt, reasons),
        person_properties={},
    )
