"""Events that reach a connection of the console's bench, and are settled."""

from __future__ import annotations

import re

import msgspec
from console_bench import Browser
from service_bench import send_lines

from hogline.posthog import uuid7


async def settle(browser: Browser, *events: dict[str, object]) -> None:
    """They came in, and it is decided what became of each."""
    service = browser.bench.service
    now_ms = service.clock.time_ms()
    lines = [msgspec.json.encode({"uuid": uuid7(now_ms), "timestamp": now_ms, **event}) for event in events]
    sending = await service.sendings.begin()
    assert await send_lines(service, sending, list(enumerate(lines, 1))) == []
    await service.sendings.show(sending, 10.0)
    await service.sendings.end(sending)


def words(html: str) -> str:
    """What stands on the page's own part."""
    main = html[html.index("<main") : html.index("</main>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))
