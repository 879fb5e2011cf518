"""An event that somebody picked, as an SDK sends it: one that was received, or a failure."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from hogline.service import CannotDo, Service
from hogline.views.events import FailureDetails, ReceivedEvent


def as_sent(found: ReceivedEvent | FailureDetails) -> str:
    """An event that came in, as an SDK sends it."""
    if isinstance(found, ReceivedEvent):
        name, distinct_id, uuid = found.event, found.distinct_id, found.uuid
    else:
        name, distinct_id, uuid = found.failure.event, found.failure.distinct_id, found.failure.uuid
    event: dict[str, object] = {"event": name, "distinct_id": distinct_id, "uuid": uuid}
    with suppress(ValueError, OverflowError, OSError):  # a time far away: without one it is now
        event["timestamp"] = datetime.fromtimestamp(found.timestamp_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    event["properties"] = {**found.properties, **({"$set": found.set} if found.set else {})}
    return msgspec.json.format(msgspec.json.encode(event), indent=2).decode()


async def picked(service: Service, connection: str, position: str, failure: str) -> str:
    """The event that a link names; empty if it is gone."""
    if _is_number(position):
        found = await service.live.received(after=int(position) - 1, limit=1)
        return next((as_sent(event) for event in found if event.position == int(position)), "")
    if _is_number(failure):
        try:
            return as_sent(await service.failures.show(connection, int(failure)))
        except CannotDo:
            return ""
    return ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
