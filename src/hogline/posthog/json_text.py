"""One line of a file, or one webhook body, in whichever of the five shapes it is.

A line may also be an array of events, a capture batch, or a page of answers from PostHog's API. The clock of the
file's writer is unknown now, so `sent_at` corrects nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TypeAlias

from hogline.model import Event
from hogline.posthog import app_event, capture, clickhouse, exports, webhook
from hogline.posthog.assemble import event_object, from_text
from hogline.posthog.bounds import NotJson
from hogline.posthog.identity import NewUuid, uuid7, uuid_of
from hogline.posthog.received import Batch, Collected, Receipt, Received, Unreadable
from hogline.posthog.repair import decode, repair
from hogline.posthog.shapes import Shape, named_as_usual, shape_of
from hogline.posthog.times import below_ms_us
from hogline.posthog.unfilled import check_filled
from hogline.posthog.unpack import inflate

_Read: TypeAlias = Callable[[dict[str, object], Receipt, list[str]], Event]

_READERS: Mapping[Shape, _Read] = {
    Shape.WEBHOOK: webhook.read,
    Shape.CAPTURE: capture.read,
    Shape.CLICKHOUSE: clickhouse.read,
    Shape.EXPORT: exports.read,
    Shape.APP_EVENT: app_event.read,
}


def read_text(line: bytes, received_ms: int, new_uuid: NewUuid = uuid7, *, batch_events: int | None = None) -> Batch:
    """All events of a JSON text that just came.

    Raises `Unreadable` if the text as a whole cannot be read; events that cannot be kept are counted.
    """
    return _read_text(line, lambda _: Receipt(received_ms, new_uuid), batch_events)


def read_file_line(line: bytes, number: int, received_ms: int) -> Batch:
    """All events of a line in a file, which happened some time: each says when. One without a uuid gets one made of the
    line and its place, so that the same file gives the same events when it is read again.

    Raises as `read_text` does.
    """
    return _read_text(line, _receipts_of_file(lambda: line, number, received_ms), None)


def read_file_row(row: dict[str, object], number: int, received_ms: int) -> Batch:
    """The same for a row of a file whose columns have types, as Parquet's; it is one event. Raises nothing."""
    suspicious = any(not _is_plain(value) for value in row.values())
    receipts = _receipts_of_file(lambda: repr(row).encode(), number, received_ms)
    return _read_values((row,), receipts, suspicious=suspicious)


def _is_plain(value: object) -> bool:
    return "\0" not in value if isinstance(value, str) else value is None or isinstance(value, int)


def _receipts_of_file(text: Callable[[], bytes], number: int, received_ms: int) -> Callable[[int], Receipt]:
    digest: list[bytes] = []

    def new_uuid(place: int, _received_ms: int) -> str:
        if not digest:
            digest.append(sha256(text()).digest())
        return uuid_of(digest[0], b"%d %d" % (number, place))

    return lambda place: Receipt(received_ms, partial(new_uuid, place), from_file=True)


def _read_text(text: bytes, receipt_of: Callable[[int], Receipt], batch_events: int | None) -> Batch:
    """`receipt_of`: of the event at a place, counted from 1."""
    try:
        decoded = decode(text)
    except NotJson as wrong:
        raise Unreadable(wrong.sentence, wrong.status, wrong.reason) from None
    values = _values(decoded.value)
    if batch_events is not None and len(values) > batch_events:
        raise capture.too_many_events(batch_events)
    return _read_values(values, receipt_of, suspicious=decoded.suspicious)


def _read_values(values: Sequence[object], receipt_of: Callable[[int], Receipt], *, suspicious: bool) -> Batch:
    collected = Collected()
    for place, value in enumerate(values, 1):
        reasons: list[str] = []
        whole = repair(value, reasons) if suspicious else value
        receipt = receipt_of(place)
        try:
            event = _read(whole, receipt, reasons)
            collected.keep(event, below_ms_us(_timestamp_of(whole)) if receipt.from_file else 0)
        except Unreadable as problem:
            collected.refuse(problem)
    return collected.batch()


def _timestamp_of(value: object) -> object:
    """The time of an event as it was written, in whichever shape."""
    assert isinstance(value, dict)  # else it was no event
    found = value.get("timestamp")
    if found is None:
        inner = value.get("event")
        return inner.get("timestamp") if isinstance(inner, dict) else value.get("TIMESTAMP")
    return found


def read_one(line: bytes, received_ms: int, new_uuid: NewUuid = uuid7) -> Received:
    """The one event of a JSON text. Raises `Unreadable` if there is none, or more than one."""
    batch = read_text(line, received_ms, new_uuid)
    if batch.problem is not None:
        raise batch.problem
    if len(batch.received) != 1:
        raise Unreadable("One event was expected, not a batch.", reason="not_an_event")
    return batch.received[0]


def read_webhook(
    body: bytes,
    received_ms: int,
    new_uuid: NewUuid = uuid7,
    *,
    content_encoding: str = "",
    unpacked_bytes: int = capture.UNPACKED_BYTES,
    batch_events: int = capture.BATCH_EVENTS,
) -> Batch:
    """The same for the body of a webhook, which may be compressed. Raises `Unreadable`."""
    text = inflate(body, content_encoding=content_encoding, limit_bytes=unpacked_bytes)
    check_filled(text)
    return read_text(text, received_ms, new_uuid, batch_events=batch_events)


def _values(value: object) -> Sequence[object]:
    if isinstance(value, list):
        values: list[object] = value
    elif isinstance(value, dict) and "batch" in value and shape_of(value) is Shape.CAPTURE_BATCH:
        batch = value["batch"]
        if not isinstance(batch, list):
            raise Unreadable("`batch` must be an array of events.", reason="not_an_event")
        values = batch
    elif isinstance(value, dict) and isinstance(found := value.get("results"), list) and "event" not in value:
        # The last page may have none.
        columns = value.get("columns")
        return [row_of(columns, row) for row in found] if isinstance(columns, list) else found
    else:
        return (value,)
    if not values:
        raise Unreadable("The batch is empty.", reason="empty_batch")
    return values


def row_of(columns: Sequence[object], row: object) -> object:
    """A row of a HogQL query's answer as an object; `*` holds the columns of the whole table."""
    if not isinstance(row, list):
        return row
    named = {_COLUMNS.get(str(name), str(name)): value for name, value in zip(columns, row, strict=False)}
    whole = named.pop("*", None)
    return {**whole, **named} if isinstance(whole, dict) else named


_COLUMNS = {"person.properties": "person_properties", "person.id": "person_id"}
"""Columns that queries name otherwise than exports."""


def _read(value: object, receipt: Receipt, reasons: list[str]) -> Event:
    event = named_as_usual(event_object(value))
    inner = event.get("event")
    if isinstance(inner, str) and inner.startswith("{") and "distinct_id" not in event:
        event = {**event, "event": _from_quotes(inner, reasons)}
    shape = shape_of(event)
    if shape is Shape.CAPTURE_BATCH:
        raise Unreadable("A batch cannot contain another batch.", reason="not_an_event")
    return _READERS[shape](event, receipt, reasons)


def _from_quotes(text: str, reasons: list[str]) -> object:
    """An event that a webhook's body has in quotes; the text, if it is none."""
    try:
        return from_text(text, reasons)
    except NotJson:
        return text
