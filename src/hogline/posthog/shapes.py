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
    # A set operation in C: most events carry no mark at all, or the first one.
    names = value.keys()
    if not _CLICKHOUSE.isdisjoint(names) or (_is_row(value) and "team_id" in names):
        return Shape.CLICKHOUSE
    if not _EXPORT.isdisjoint(names) or _is_row(value):
        return Shape.EXPORT
    if not _CAPTURE.isdisjoint(names) or _APP_EVENT.isdisjoint(names):
        return Shape.CAPTURE
    return Shape.APP_EVENT


def named_as_usual(value: dict[str, object]) -> dict[str, object]:
    """The object with the usual names. Snowflake writes the names of columns in capitals, and so do some tables."""
    if "event" in value or not any(name.lower() == "event" for name in value):
        return value
    return {name.lower(): inner for name, inner in value.items()}


def _is_row(value: dict[str, object]) -> bool:
    return isinstance(value.get("properties"), str)


_CLICKHOUSE = frozenset(_ONLY_CLICKHOUSE)
_EXPORT = frozenset(_ONLY_EXPORT)
_CAPTURE = frozenset(_ONLY_CAPTURE)
_APP_EVENT = frozenset(_ONLY_APP_EVENT)
