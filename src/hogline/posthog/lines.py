"""One line of a file, or one webhook body, in whichever of the five shapes it is.

The clock of whoever wrote a file is long gone: `sent_at` corrects nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from hogline.model import Event
from hogline.posthog import app_event, capture, clickhouse, exports, webhook
from hogline.posthog.assemble import event_object
from hogline.posthog.identity import NewUuid, uuid7
from hogline.posthog.received import Batch, Collected, Receipt, Received, Unreadable
from hogline.posthog.repair import NotJson, decode, repair
from hogline.posthog.shapes import Shape, shape_of
from hogline.posthog.unpack import inflate

_Read: TypeAlias = Callable[[dict[str, object], Receipt, list[str]], Event]

_READERS: Mapping[Shape, _Read] = {
    Shape.WEBHOOK: webhook.read,
    Shape.CAPTURE: capture.read,
    Shape.CLICKHOUSE: clickhouse.read,
    Shape.EXPORT: exports.read,
    Shape.APP_EVENT: app_event.read,
}


def read_lines(line: bytes, received_ms: int, new_uuid: NewUuid = uuid7, *, batch_events: int | None = None) -> Batch:
    """All events of a JSON text: one, an array of them, or a capture batch.

    Raises `Unreadable` if the text as a whole cannot be read; events that cannot be kept are counted.
    """
    try:
        decoded = decode(line)
    except NotJson as wrong:
        raise Unreadable(wrong.sentence, reason=wrong.reason) from None
    values = _values(decoded.value)
    if batch_events is not None and len(values) > batch_events:
        raise capture.too_many_events(batch_events)
    receipt = Receipt(received_ms, new_uuid)
    collected = Collected()
    for value in values:
        reasons: list[str] = []
        whole = repair(value, reasons) if decoded.suspicious else value
        try:
            collected.keep(_read(whole, receipt, reasons))
        except Unreadable as problem:
            collected.refuse(problem)
    return collected.batch()


def read_line(line: bytes, received_ms: int, new_uuid: NewUuid = uuid7) -> Received:
    """The one event of a JSON text. Raises `Unreadable` if there is none, or more than one."""
    batch = read_lines(line, received_ms, new_uuid)
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
    return read_lines(text, received_ms, new_uuid, batch_events=batch_events)


def _values(value: object) -> Sequence[object]:
    if isinstance(value, list):
        values: list[object] = value
    elif isinstance(value, dict) and shape_of(value) is Shape.CAPTURE_BATCH:
        batch = value["batch"]
        if not isinstance(batch, list):
            raise Unreadable("`batch` must be an array of events.", reason="not_an_event")
        values = batch
    else:
        return (value,)
    if not values:
        raise Unreadable("The batch is empty.", reason="empty_batch")
    return values


def _read(value: object, receipt: Receipt, reasons: list[str]) -> Event:
    event = event_object(value)
    shape = shape_of(event)
    if shape is Shape.CAPTURE_BATCH:
        raise Unreadable("A batch cannot stand inside of another.", reason="not_an_event")
    return _READERS[shape](event, receipt, reasons)
