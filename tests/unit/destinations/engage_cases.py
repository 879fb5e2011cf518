"""Options of an Engage connection and events for it."""

from __future__ import annotations

from hogline.destinations.engage import ENGAGE, Options
from hogline.model import Event

KEYS = {"public_key": "PUBLIC_KEY", "secret_key": "PRIVATE_KEY"}
GOLDEN_HEADER = "Basic UFVCTElDX0tFWTpQUklWQVRFX0tFWQ=="
"""Of these keys, as PostHog's own template makes it."""


def options(**values: object) -> Options:
    return ENGAGE.read_options(KEYS | values)


def event(name: str = "order completed", **fields: object) -> Event:
    values: dict[str, object] = {
        "uuid": "0199f3a0-0000-7000-8000-000000000001",
        "name": name,
        "distinct_id": "u1",
        "timestamp_ms": 1_793_527_200_123,
        "received_ms": 1_793_527_300_000,
        "properties": {"total": 5},
    }
    return Event(**(values | fields))  # type: ignore[arg-type]
