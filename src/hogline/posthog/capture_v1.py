"""Capture v1, which PostHog's SDKs for servers send with `capture_mode="v1"`: a batch, and an outcome for each event.

Here, some of v0's properties are separate fields: the session and the window, `options`, and the SDK in a header. They
are put back, so an event is the same either way. Sources: PostHog's SDKs
(`capture_v1.py`, `capture-v1/transform.ts`) and PostHog/posthog-sdk-test-harness. Knows no tokens and no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from hogline.posthog import capture
from hogline.posthog.assemble import event_object, object_in
from hogline.posthog.bounds import NotJson
from hogline.posthog.identity import NewUuid, uuid7
from hogline.posthog.received import Batch, Collected, Receipt, Unreadable
from hogline.posthog.repair import decode, repair
from hogline.posthog.times import known_time
from hogline.posthog.unpack import inflate

_OPTIONS = {
    "cookieless_mode": "$cookieless_mode",
    "disable_skew_correction": "$ignore_sent_at",
    "process_person_profile": "$process_person_profile",
    "product_tour_id": "$product_tour_id",
}
_FIELDS = {"session_id": "$session_id", "window_id": "$window_id"}
_DETAILS = {
    "event_without_name": "missing_event_name",
    "distinct_id_missing": "missing_distinct_id",
}
"""PostHog's words for our reasons; others stand for themselves."""


class EventResult(Struct, frozen=True, omit_defaults=True):
    """The result of an event. `warning`: kept, but corrected. `drop`: not kept, and a retry will not help."""

    result: Literal["ok", "warning", "drop"]
    details: str | None = None


class BatchV1(Struct, frozen=True):
    batch: Batch
    outcomes: Mapping[str, EventResult]
    """By uuid, as sent; an event sent without a uuid has no entry."""


class HintsV1(Struct, frozen=True):
    """What a request says beside its body."""

    token: str
    content_encoding: str = ""
    """In lower case."""
    sdk: str = ""
    """`PostHog-Sdk-Info`: `posthog-python/7.91.1`."""
    sent_at: str = ""
    """`PostHog-Request-Timestamp`: what the client's clock said when it sent."""


class _Envelope(Struct, frozen=True):
    """What holds for all events of a batch."""

    token: str
    created_at: object
    library: Mapping[str, str]
    sent_ms: int | None


def read_capture_v1(
    body: bytes,
    received_ms: int,
    hints: HintsV1,
    new_uuid: NewUuid = uuid7,
    *,
    public: bool = False,
    unpacked_bytes: int = capture.UNPACKED_BYTES,
    batch_events: int = capture.BATCH_EVENTS,
) -> BatchV1:
    """The events of a body. `public`: see `Event.public`. Raises `Unreadable` if none can be read or identified."""
    text = inflate(body, content_encoding=hints.content_encoding, limit_bytes=unpacked_bytes)
    try:
        decoded = decode(text)
    except NotJson as wrong:
        raise Unreadable(wrong.sentence, wrong.status, wrong.reason) from None
    value = event_object(decoded.value)
    entries = _entries(value, batch_events)
    envelope = _Envelope(hints.token, value.get("created_at"), _library(hints.sdk), known_time(hints.sent_at))
    receipt = Receipt(received_ms, new_uuid, public=public)
    collected = Collected()
    outcomes: dict[str, EventResult] = {}
    for entry in entries:
        reasons: list[str] = []
        whole = repair(entry, reasons) if decoded.suspicious else entry
        outcome = _read(whole, envelope, receipt, reasons, collected)
        uuid = whole.get("uuid") if isinstance(whole, dict) else None
        if isinstance(uuid, str):
            outcomes[uuid] = outcome
    batch = collected.batch()
    if batch.problem is not None and not batch.received and not outcomes:
        raise batch.problem
    return BatchV1(batch, outcomes)


def _entries(value: dict[str, object], batch_events: int) -> Sequence[object]:
    entries = value.get("batch")
    if not isinstance(entries, list):
        raise Unreadable("`batch` must be an array of events.", reason="not_an_event")
    if not entries:
        raise Unreadable("The batch is empty.", reason="empty_batch")
    if len(entries) > batch_events:
        raise capture.too_many_events(batch_events)
    return entries


def _library(sdk: str) -> Mapping[str, str]:
    name, slash, version = sdk.rpartition("/")
    return {"$lib": name, "$lib_version": version} if name and slash and version else {}


def _read(
    entry: object, envelope: _Envelope, receipt: Receipt, reasons: list[str], collected: Collected
) -> EventResult:
    try:
        captured = _as_captured(event_object(entry), envelope, reasons)
        event = capture.read(captured, receipt, reasons, sent_ms=envelope.sent_ms, token=envelope.token)
        collected.keep(event)
    except Unreadable as problem:
        collected.refuse(problem)
        return EventResult("drop", _DETAILS.get(problem.reason, problem.reason))
    return EventResult("warning", ", ".join(event.repaired)) if event.repaired else EventResult("ok")


def _as_captured(event: dict[str, object], envelope: _Envelope, reasons: list[str]) -> dict[str, object]:
    """The event as v0 has it. Without a time, it happened when its batch was created."""
    properties = {**envelope.library, **object_in(event, "properties", reasons)}
    options = object_in(event, "options", reasons)
    for holder, names in ((event, _FIELDS), (options, _OPTIONS)):
        for name, property_name in names.items():
            value = holder.get(name)
            if value is not None:
                properties[property_name] = value
    captured = {**event, "properties": properties}
    if event.get("timestamp") is None and envelope.created_at is not None:
        captured["timestamp"] = envelope.created_at
    return captured


def encode_outcomes(outcomes: Mapping[str, EventResult]) -> bytes:
    """The answer's body."""
    return msgspec.json.encode({"results": outcomes})
