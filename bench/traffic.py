"""Made-up traffic of a shop, the same for the same seed: what the benchmarks send."""

from __future__ import annotations

import random
from collections.abc import Iterator
from uuid import UUID

import msgspec

START_MS = 1_793_000_000_000

_EVENTS = ("$pageview", "$pageview", "$autocapture", "product viewed", "product added", "order completed")


def events(count: int, people: int, seed: int = 1) -> Iterator[dict[str, object]]:
    """Capture events of about 600 bytes. Everybody is identified first; one in twenty later events changes an
    attribute. `n` in the properties counts each person's events.
    """
    source = random.Random(seed)
    sent: dict[int, int] = {}
    for index in range(count):
        person = index if index < people else source.randrange(people)
        n = sent[person] = sent.get(person, -1) + 1
        properties: dict[str, object] = {
            "$current_url": f"https://shop.example/p/{source.randrange(1_000)}",
            "$host": "shop.example",
            "$pathname": f"/p/{source.randrange(1_000)}",
            "$browser": "Chrome",
            "$browser_version": 131,
            "$os": "Mac OS X",
            "$device_type": "Desktop",
            "$screen_height": 1_117,
            "$screen_width": 1_728,
            "$lib": "web",
            "$lib_version": "1.295.0",
            "$session_id": str(UUID(int=source.getrandbits(128), version=4)),
            "n": n,
            "price": source.randrange(10_000) / 100,
        }
        name = source.choice(_EVENTS)
        if n == 0:
            name = "$identify"
            properties["$set"] = {"email": f"user-{person}@example.com", "plan": "free", "visits": 0}
        elif source.random() < 0.05:
            properties["$set"] = {"visits": n}
        yield {
            "uuid": str(UUID(int=source.getrandbits(128), version=4)),
            "event": name,
            "distinct_id": f"user-{person}",
            "timestamp": _iso(START_MS + index * 10),
            "properties": properties,
        }


def lines(count: int, people: int, seed: int = 1) -> Iterator[bytes]:
    for event in events(count, people, seed):
        yield msgspec.json.encode(event) + b"\n"


def _iso(ms: int) -> str:
    seconds, milliseconds = divmod(ms, 1_000)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    # 1,793,000,000 s is 2026-10-26; benchmarks stay within that month's days.
    day = days - 20_752 + 26
    return f"2026-10-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z"
