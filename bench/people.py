"""Finding people: a connection that knows 1,000,000 of them, asked as a browser asks the console."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import aiohttp

from hogline.core.changes import Flush, Settlement
from hogline.core.known import Fact, Person
from hogline.core.ledger import LedgerRow
from hogline.core.told import Customer, Told
from hogline.model import Identifier
from hogline.runtime.serve import serving
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.base import State

PEOPLE = 1_000_000
RUNS = 9
WITHIN_MS = 200
QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("customers, the first page", {}),
    ("customers, from the middle", {"at": "+7f"}),
    ("everyone known, from the middle", {"show": "everyone", "at": "+7f"}),
    ("nearly everyone, by the email", {"q": "EXAMPLE.COM"}),
    ("one, by the whole email", {"q": "Person.777777@example.com"}),
    ("one, by the beginning of the email", {"q": "Person.777777@"}),
    ("some, by digits", {"q": "77777"}),
    ("nobody", {"q": "zzqqx"}),
    ("nobody, in everyone", {"q": "zzqqx", "all": "1"}),
    ("by an attribute of all", {"attribute": "plan", "value": "pro"}),
    ("by an attribute of nobody", {"attribute": "plan", "value": "free"}),
    ("by an attribute, in everyone", {"attribute": "plan", "value": "free", "all": "1"}),
)
AT_ONCE = 10_000


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
        await learn(service.state, connection.id, person_ids())
        await _ask_all(service, browser)


async def learn(state: State, connection: int, ids: Sequence[str]) -> None:
    """Half of them anonymous, half customers with an email. In the order of their ids, as that is quickest to write."""
    for begin in range(0, len(ids), AT_ONCE):
        numbered = [*enumerate(ids[begin : begin + AT_ONCE], begin)]
        people = {one: _person(one, f"person.{n}@example.com" if n % 2 else None) for n, one in numbered}
        await state.flush(Flush({}, people, 0))
        customers = {n: Identifier("id", one) for n, one in numbered if n % 2}
        told = {
            key.value: Told(Customer("id", key.value, "accepted", f"person.{n}@example.com"))
            for n, key in customers.items()
        }
        ledger = {f"person.{n}@example.com": LedgerRow(key.value, "accepted", key, 0) for n, key in customers.items()}
        await state.settle(Settlement(connection=connection, lanes={}, told=told, ledger=ledger))


def person_ids() -> list[str]:
    """In order, as that is quickest to write."""
    choose = random.Random(7)
    return sorted(f"{choose.getrandbits(128):032x}" for _ in range(PEOPLE))


def _person(distinct_id: str, email: str | None) -> Person:
    said = {"plan": "pro", "name": "Somebody with a Name", "city": "Reykjavik"} | ({"email": email} if email else {})
    return Person(distinct_id, {name: Fact(value, 1_793_000_000_000, 1) for name, value in said.items()})


async def _ask_all(service: Service, browser: aiohttp.ClientSession) -> None:
    assert service.addresses.console is not None
    url, password = service.addresses.console.url, service.addresses.console.first_password or ""
    await browser.post(f"{url}/sign-in", data={"password": password}, headers={"sec-fetch-site": "same-origin"})
    print(f"{PEOPLE:,} people: milliseconds, median (slowest) of {RUNS}; {WITHIN_MS} are allowed, except in everyone")
    for title, asked in QUESTIONS:
        page = f"{url}/connections/shop/people?{urlencode(asked)}"
        found = (await _open(browser, page)).count('<tr id="person-')
        shown = await _timed(lambda page=page: _open(browser, page))  # type: ignore[misc]
        print(f"  {title:<34} {found:>3} shown  {shown}", flush=True)


async def _open(browser: aiohttp.ClientSession, url: str) -> str:
    async with browser.get(url) as answer:
        assert answer.status == 200
        text = await answer.text()
        assert 'id="people"' in text
        return text


async def _timed(ask: Callable[[], Awaitable[object]]) -> str:
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - begin) * 1_000)
    return f"{median(took):>4.0f} ({max(took):.0f})"
