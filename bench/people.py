"""Finding people: a connection that knows 1,000,000 of them, asked as a browser asks the console."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import aiohttp
import apsw

from hogline.runtime.serve import serving
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.datadir.directory import DataDirectory

PEOPLE = 1_000_000
RUNS = 9
WITHIN_MS = 200
QUESTIONS = (
    ("everybody, the first page", "", ""),
    ("everybody, from the middle", "", "7f"),
    ("nearly everybody", "EXAMPLE.COM", ""),
    ("one of them, by the email", "Person.777777@", ""),
    ("some, by digits", "77777", ""),
    ("nobody", "zzqqx", ""),
)

# Half of them anonymous, half with an email; in the order of their ids, as that is quickest to write.
_MAKE = """
INSERT INTO people (connection, distinct_id, email, person)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2),
  made(id, email) AS (
    SELECT lower(hex(randomblob(16))), CASE WHEN n % 2 THEN 'person.' || n || '@example.com' END FROM numbers)
SELECT ?1, id, email, json_object('distinct_id', id, 'identified', json('true'), 'email', email,
  'customer', json_object('kind', 'id', 'value', id),
  'accepted', json_object('email', email, 'plan', 'pro', 'name', 'Somebody with a Name', 'city', 'Reykjavik'),
  'recent', json('[[1, ""], [2, ""], [3, "not_in_allowlist"]]'),
  'first_seen_ms', 1793000000000, 'last_seen_ms', 1793527200000)
FROM made ORDER BY id
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    settings = Settings(data=folder, listen="127.0.0.1:0", console="127.0.0.1:0", log_level="error")
    async with (
        serving(settings) as service,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        connection = await service.state.add_connection(  # `connect` would ask Customer.io
            name="shop",
            destination="customerio",
            options={"site_id": "s", "api_key": "k"},
            paused=True,
            start=0,
            now_ms=0,
        )
        database = apsw.Connection(str(DataDirectory(folder).state))
        database.execute(_MAKE, (connection.id, PEOPLE))
        database.close()
        await _ask_all(service, browser)


async def _ask_all(service: Service, browser: aiohttp.ClientSession) -> None:
    assert service.addresses.console is not None
    url, password = service.addresses.console.url, service.addresses.console.first_password or ""
    await browser.post(f"{url}/sign-in", data={"password": password}, headers={"sec-fetch-site": "same-origin"})
    print(f"{PEOPLE:,} people: milliseconds, median (slowest) of {RUNS}; {WITHIN_MS} are allowed")
    for title, text, after in QUESTIONS:
        page = f"{url}/connections/shop/people?{urlencode({'q': text, 'after': after})}"
        found = len(await _people(service, text, after))
        asked = await _timed(lambda text=text, after=after: _people(service, text, after))  # type: ignore[misc]
        shown = await _timed(lambda page=page: _open(browser, page))  # type: ignore[misc]
        print(f"  {title:<28} {found:>3} found   the service {asked}   the page {shown}")


async def _people(service: Service, text: str, after: str) -> list[object]:
    return [*await service.people.find(text, connection="shop", after=after, limit=50)]


async def _open(browser: aiohttp.ClientSession, url: str) -> None:
    async with browser.get(url) as answer:
        assert answer.status == 200
        assert 'id="people"' in await answer.text()


async def _timed(ask: Callable[[], Awaitable[object]]) -> str:
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - begin) * 1_000)
    return f"{median(took):>4.0f} ({max(took):.0f})"
