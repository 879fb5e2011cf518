"""Which of the five shapes a JSON object is, by its keys alone."""

from __future__ import annotations

from enum import Enum


class Shape(Enum):
    WEBHOOK = "webhook"
    CAPTURE = "capture"
    CAPTURE_BATCH = "capture_batch"
    CLICKHOUSE = "clickhouse"
    EXPORT = "export"
    APP_EVENT = "app_event"


_ONLY_CLICKHOUSE = ("person_mode", "person_created_at")
_ONLY_EXPORT = ("_inserted_at", "person_properties", "person_id")
_ONLY_CAPTURE = ("api_key", "token", "$token", "sent_at", "offset", "$distinct_id")
_ONLY_APP_EVENT = ("team_id", "ip", "site_url", "person", "elements_chain", "url")


def shape_of(value: dict[str, object]) -> Shape:
    """The shape. What has no mark of another is a capture event: SDKs send little more than a name, an id and
    properties."""
    if isinstance(value.get("event"), dict):
        return Shape.WEBHOOK
    if "batch" in value:
        return Shape.CAPTURE_BATCH
    names, is_row = value.keys(), isinstance(value.get("properties"), str)
    if not is_row and _MARKS.isdisjoint(names):  # as most
        return Shape.CAPTURE
    if not _CLICKHOUSE.isdisjoint(names) or (is_row and "team_id" in names):
        return Shape.CLICKHOUSE
    if is_row or not _EXPORT.isdisjoint(names):
        return Shape.EXPORT
    is_capture = not _CAPTURE.isdisjoint(names) or _APP_EVENT.isdisjoint(names)
    return Shape.CAPTURE if is_capture else Shape.APP_EVENT


def named_as_usual(value: dict[str, object]) -> dict[str, object]:
    """The object with the usual names. Snowflake writes the names of columns in capitals, and so do some tables."""
    if "event" in value or not any(name.lower() == "event" for name in value):
        return value
    return {name.lower(): inner for name, inner in value.items()}


_CLICKHOUSE = frozenset(_ONLY_CLICKHOUSE)
_EXPORT = frozenset(_ONLY_EXPORT)
_CAPTURE = frozenset(_ONLY_CAPTURE)
_APP_EVENT = frozenset(_ONLY_APP_EVENT)
_MARKS = _CLICKHOUSE | _EXPORT | _CAPTURE | _APP_EVENT
