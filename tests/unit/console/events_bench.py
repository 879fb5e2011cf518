"""Events that reach a connection of the console's bench, and are settled."""

from __future__ import annotations

import re

import msgspec
from console_bench import Browser


async def settle(browser: Browser, *events: dict[str, object]) -> None:
    """They came in, and it is decided what became of each."""
    service = browser.bench.service
    sending = await service.begin_sending()
    assert await service.send_lines(sending, [(n, msgspec.json.encode(event)) for n, event in enumerate(events)]) == []
    await service.sending(sending, 10.0)
    await service.end_sending(sending)


def words(html: str) -> str:
    """What stands on the page's own part."""
    main = html[html.index("<main") : html.index("</main>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))
