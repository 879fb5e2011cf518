"""How many operations a second the sandbox takes, on one core and without a network.

    .venv/bin/python -m bench.sandbox [batches]

Batches of 1,000 operations of about 450 bytes, one identify among ten, go to the application as ASGI calls.
"""

from __future__ import annotations

import asyncio
import base64
import resource
import sys
import time

import msgspec
from starlette.types import Message

from hogline.sandbox.app import SandboxApp, create_app

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AUTHORIZATION = b"Basic " + base64.b64encode(b"sandbox-site:sandbox-key")
_OPERATIONS = 1_000
_PEOPLE = 5_000


def ulid(number: int) -> str:
    return "01" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(115, -5, -5))


def event(number: int) -> dict[str, object]:
    return {
        "type": "person",
        "identifiers": {"id": f"user-{number % _PEOPLE}"},
        "action": "event",
        "name": "order completed",
        "id": ulid(number),
        "timestamp": 1_790_000_000 + number,
        "attributes": {
            "$current_url": f"https://shop.example/checkout/{number}?step=payment",
            "$browser": "Firefox",
            "$os": "Linux",
            "$lib": "web",
            "$session_id": "0198f0aa-6b8e-7c61-93a2-5d2b8a1fdc77",
            "$referrer": "https://search.example/",
            "amount": number % 10_000 / 100,
            "items": [number % 7, number % 11],
            "currency": "EUR",
            "coupon": None,
            "plan": "pro",
        },
    }


def identify(number: int) -> dict[str, object]:
    return {
        "type": "person",
        "identifiers": {"id": f"user-{number % _PEOPLE}"},
        "action": "identify",
        "timestamp": 1_790_000_000 + number,
        "attributes": {
            "email": f"user-{number % _PEOPLE}@shop.example",
            "name": "Ada Lovelace, Countess of Somewhere",
            "plan": "pro" if number % 2 else "free",
            "orders": number,
            "city": "Zürich",
            "created_at": 1_700_000_000,
            "tags": ["a", "b", "c"],
        },
    }


def body(batch: int) -> bytes:
    first = batch * _OPERATIONS
    numbers = range(first, first + _OPERATIONS)
    return msgspec.json.encode({"batch": [event(number) if number % 10 else identify(number) for number in numbers]})


async def post(app: SandboxApp, content: bytes) -> int:
    """The status that the application answers with."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v2/batch",
        "raw_path": b"/api/v2/batch",
        "headers": [(b"authorization", _AUTHORIZATION)],
    }
    await app(scope, receive, send)
    return statuses[0]


async def main(batches: int) -> None:
    app = create_app()
    bodies = [body(batch) for batch in range(batches)]
    mean = sum(map(len, bodies)) / batches / _OPERATIONS
    started = time.perf_counter()
    for content in bodies:
        status = await post(app, content)
        assert status == 200, status
    took_s = time.perf_counter() - started
    operations = batches * _OPERATIONS
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"sandbox: {operations / took_s:,.0f} operations/s, {took_s / operations * 1e6:.1f} µs each "
        f"({operations:,} operations of {mean:.0f} bytes, {peak_mb:.0f} MB at peak with the bodies)"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
