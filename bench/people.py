"""Finding people: a connection that knows 1,000,000 of them, asked as the console and `hogline people` ask."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import apsw

from hogline.console import create_console
from hogline.console.context import Console
from hogline.delivery.client import Client
from hogline.delivery.clock import SystemClock
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.access import Access
from hogline.store.directory import DataDirectory
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

PEOPLE = 1_000_000
RUNS = 7
WITHIN_MS = 200
QUESTIONS = (
    ("everybody, the first page", "", ""),
    ("everybody, a page in the middle", "", "7f"),
    ("nearly everybody", "EXAMPLE.COM", ""),
    ("one, by a part of the email", "person.777777@", ""),
    ("one, by a part that many have", "777777@", ""),
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
    with DataDirectory(folder) as directory:
        journal = SqliteJournal(directory.journal, SystemClock().time_ms)
        state = SqliteState(directory.state, directory.vault(None))
        connection = await state.add_connection(
            name="shop",
            destination="customerio",
            options={"site_id": "s", "api_key": "k"},
            enabled=False,
            start=0,
            now_ms=0,
        )
        database = apsw.Connection(str(directory.state))
        database.execute(_MAKE, (connection.id, PEOPLE))
        database.close()
        client, settings = Client(), Settings(data=folder)
        service = Service(
            settings, journal=journal, state=state, send=client.send, clock=SystemClock(), delivers=False
        )
        Access(folder).set_password("a password for this")
        app, console = create_console(service, settings)
        print(f"{PEOPLE:,} people: median (slowest) of {RUNS} runs, milliseconds; at most {WITHIN_MS} are wanted")
        for title, text, after in QUESTIONS:
            found = len(await service.people(text, connection="shop", after=after, limit=50))
            asked = await _timed(lambda text=text, after=after: service.people(text, connection="shop", after=after, limit=50))
            shown = await _timed(lambda text=text, after=after: _page(app, console, text, after))
            print(f"  {title:<34} {found:>3} found   service {asked}   page {shown}")
        await client.close()
        await state.close()
        await journal.close()


async def _timed(ask: Callable[[], Awaitable[object]]) -> str:
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - begin) * 1_000)
    return f"{median(took):>4.0f} ({max(took):.0f})"
