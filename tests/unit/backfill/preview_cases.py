"""Lines of events for previews and forecasts, and a Customer.io that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest
import service_bench

from hogline.backfill.preview import NO_CONNECTION, Preview
from hogline.backfill.views import PreviewedEvent, Row
from hogline.delivery.installed import installed
from hogline.model import Response
from hogline.store.base import Connection
from hogline.testing.clock import SkippingClock


def said(name: str, distinct_id: str, number: int = 0, /, **properties: object) -> dict[str, object]:
    """Event `number` of a story, a minute after the one before; `set`, `unset`: PostHog's `$set`, `$unset`."""
    named = {"set": "$set", "unset": "$unset", "anon": "$anon_distinct_id"}
    return {
        "uuid": str(UUID(int=0x0199F3A0 << 96 | number)),
        "event": name,
        "distinct_id": distinct_id,
        "properties": {named.get(key, key): value for key, value in properties.items()},
        "timestamp": f"2026-11-01T{9 + number // 60:02}:{number % 60:02}:00Z",
    }


def lines_of(story: Sequence[Mapping[str, object]]) -> list[tuple[int, bytes]]:
    return [(number, msgspec.json.encode(event)) for number, event in enumerate(story, 1)]


def rows_of(story: Sequence[Mapping[str, object]]) -> list[Row]:
    rows, _, bad = service_bench.rows_in(lines_of(story))
    assert bad == []
    return rows


def connection(**options: object) -> Connection:
    return msgspec.structs.replace(NO_CONNECTION, options={**NO_CONNECTION.options, **options})


async def previewed(story: Sequence[Mapping[str, object]], **options: object) -> list[PreviewedEvent]:
    """Of a connection with these options that knows nobody yet."""
    return await Preview(None, [installed(connection(**options))], SkippingClock(date_moves=False)).rows(rows_of(story))


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every operation that the bench's Customer.io accepts, as it comes; from now on it accepts all."""
    operations: list[dict[str, Any]] = []

    def accept(body: bytes) -> Response:
        asked = msgspec.json.decode(body, type=dict[str, Any])
        operations.extend(asked.get("batch", [asked]))
        return Response(200, {}, b"{}")

    monkeypatch.setattr(service_bench, "_answer", accept)
    return operations
