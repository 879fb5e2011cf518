"""The console on much data: a connection with 1,000,000 people, 10,000,000 events in the journal and the event log, and
failures, as a browser gets each page.

Making the data takes minutes and 6 GB. `CONSOLE_DATA=FOLDER` keeps it there for the next run.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import aiohttp

from bench.people import PEOPLE, learn, person_ids
from hogline.core.changes import Failure, Flush, Noted, Sent, Settlement
from hogline.core.lanes import LANES, checksum
from hogline.model import Refusal
from hogline.posthog.entry import Entry, encode_entry
from hogline.runtime.serve import serving
from hogline.settings import Settings
from hogline.store.datadir.accounts import ConsoleAccounts
from hogline.store.datadir.directory import DataDirectory
from hogline.store.event_log import Unlogged, packed
from hogline.store.figures import Figure, FigureKind
from hogline.store.opening import Stores, opened

EVENTS, FAILURES = 10_000_000, 20_000
DAYS = 6
SOMEBODY = PEOPLE * 7 // 9
"""A customer."""
RUNS = 9
PAGE_MS, SEARCH_MS = 200, 500
SHIPMENT = 500
AT_ONCE = 20_000
PASSWORD = "looking at much"  # noqa: S105  # of a Hogline that lives for minutes
NAMES = ("$pageview", "$autocapture", "$pageview", "product viewed", "order completed", "$pageview", "$pageleave")
FILTERED, FAILED = ("filtered", "not_identified"), ("failed", "invalid")


def main() -> None:
    if folder := os.environ.get("CONSOLE_DATA"):
        asyncio.run(_measure(Path(folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(_measure(Path(temporary)))


async def _measure(folder: Path) -> None:
    done = folder / "made"
    if not done.exists():
        await _make(folder)
        done.touch()
    sizes = {path.name: path.stat().st_size / 1e9 for path in sorted(folder.glob("*.db"))}
    print(", ".join(f"{name} {size:.1f} GB" for name, size in sizes.items()))
    settings = Settings(
        data=folder,
        listen="127.0.0.1:0",
        console="127.0.0.1:0",
        log_level="error",
        journal_retention_days=3_650,
        journal_retention_bytes=100_000_000_000,
        people_retention_days=0,
    )
    begin_s = time.perf_counter()
    async with serving(settings) as service:
        assert service.addresses.console is not None
        print(f"started in {time.perf_counter() - begin_s:.1f} s")
        browser = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        async with browser:
            await _ask_all(browser, service.addresses.console.url)


# making the data


async def _make(folder: Path) -> None:
    now_ms = int(time.time() * 1_000)
    at_ms = now_ms - DAYS * 86_400_000
    ids = person_ids()
    with DataDirectory(folder) as directory:
        async with opened(directory, None, lambda: at_ms) as stores:
            connection = await stores.state.add_connection(
                name="shop",
                destination="customerio",
                options={"site_id": "s", "api_key": "k"},
                paused=True,
                start=0,
                now_ms=at_ms,
            )
            await learn(stores.state, connection.id, ids)
            print(f"{PEOPLE:,} people known", flush=True)
            step_ms = DAYS * 86_400_000 * AT_ONCE // EVENTS
            for number, shipments in enumerate(_batches(ids, now_ms - DAYS * 86_400_000)):
                await stores.journal.append([body for bodies, _ in shipments for body in bodies])
                news = [noted for _, noted in shipments]
                await stores.events.take(
                    [
                        Unlogged(number * len(news) + n, connection.id, *packed(noted))
                        for n, noted in enumerate(news, 1)
                    ],
                    at_ms,
                )
                at_ms += step_ms
            print(f"{EVENTS:,} events kept and logged", flush=True)
            await _settle(stores, connection.id, now_ms)
    ConsoleAccounts(folder).set_password(PASSWORD, "admin", now_ms)


def _batches(ids: list[str], begin_ms: int) -> Iterator[list[tuple[list[bytes], Noted]]]:
    """Shipments, some at a time: their events as the journal keeps them, and what the event log learns."""
    step = DAYS * 86_400_000 / EVENTS
    for first in range(1, EVENTS + 1, AT_ONCE):
        yield [
            _shipment(range(begin, begin + SHIPMENT), ids, lambda position: begin_ms + int(position * step))
            for begin in range(first, first + AT_ONCE, SHIPMENT)
        ]


def _shipment(positions: range, ids: list[str], at_ms: Callable[[int], int]) -> tuple[list[bytes], Noted]:
    entries = [_entry(position, ids, at_ms(position)) for position in positions]
    failed = EVENTS // FAILURES
    others = {n: FAILED if n % failed == 0 else FILTERED for n in positions if n % failed == 0 or n % 50 == 1}
    sent = [
        (position, entry)
        for position, entry in zip(positions, entries, strict=True)
        if others.get(position) != FILTERED
    ]
    return [encode_entry(entry) for entry in entries], Noted(
        began_ms=at_ms(positions[0]),
        at_ms=at_ms(positions[-1]) + 80,
        positions=list(positions),
        names=[checksum(entry.name) for entry in entries],
        people=[checksum(entry.distinct_id) for entry in entries],
        others=others,
        sent=Sent(
            positions=[position for position, _ in sent],
            actions=["event"] * len(sent),
            bodies=[_operation(entry) for _, entry in sent],
            rejected={place: "invalid" for place, (position, _) in enumerate(sent) if position % failed == 0},
        ),
    )


def _entry(position: int, ids: list[str], at_ms: int) -> Entry:
    data = b'{"$current_url":"https://shop.example/p/%d","$host":"shop.example","$browser":"Chrome","price":%d.5}'
    return Entry(
        f"0199f3a0-0000-7000-8000-{position:012d}",
        NAMES[position % len(NAMES)],
        ids[position * 7_919 % PEOPLE],
        at_ms,
        at_ms,
        data % (position % 1_000, position % 100),
        aside=b'{"$lib":"web","$session_id":"0199f3a0-1111-7000-8000-%012d"}' % (position // 20),
    )


def _operation(entry: Entry) -> bytes:
    return (
        b'{"type":"person","identifiers":{"id":"%s"},"action":"event","name":"%s","timestamp":%d,"attributes":%s}'
        % (
            entry.distinct_id.encode(),
            entry.name.encode(),
            entry.timestamp_ms // 1_000,
            entry.data,
        )
    )


async def _settle(stores: Stores, connection: int, now_ms: int) -> None:
    """Everything is folded and settled; figures for as long as they are kept."""
    refusal = Refusal("invalid", "Attribute 'price' is not a number.", "price", b"{}")
    step = EVENTS // FAILURES
    failures = [
        Failure(
            position=position,
            uuid=f"0199f3a0-0000-7000-8000-{position:012d}",
            event=body,
            refusals=(refusal,),
            at_ms=now_ms,
        )
        for at in range(step, EVENTS + 1, step)
        for position, body in await stores.journal.read(at - 1, 1)
    ]
    filtered = EVENTS // 50
    for begin in range(0, FAILURES, 1_000):
        await stores.state.settle(Settlement(connection=connection, lanes={}, failures=failures[begin : begin + 1_000]))
    await stores.state.settle(
        Settlement(
            connection=connection,
            lanes=dict.fromkeys(range(LANES), EVENTS),
            delivered=EVENTS - filtered - FAILURES,
            filtered={"not_identified": filtered},
            requests=EVENTS // SHIPMENT,
        )
    )
    await stores.state.flush(Flush({}, {}, EVENTS))
    kinds: tuple[tuple[FigureKind, int, str], ...] = (
        ("received", 800, ""),
        ("delivered", 780, ""),
        ("filtered", 16, "not_identified"),
        ("failed", 2, "invalid"),
        ("requests", 4, ""),
        ("request_ms", 300, ""),
        *(("took", 1, str(n)) for n in (15, 18, 20, 24)),
    )
    for minutes_ago in [*range(60 * 24 * 60, 24 * 60, -60), *range(24 * 60, 0, -1)]:
        at_s = now_ms // 1_000 - minutes_ago * 60
        await stores.figures.add([Figure(connection, kind, n, reason) for kind, n, reason in kinds], at_s)


# asking


async def _ask_all(browser: aiohttp.ClientSession, url: str) -> None:
    await browser.post(f"{url}/sign-in", data={"password": PASSWORD}, headers={"sec-fetch-site": "same-origin"})
    person, email = person_ids()[SOMEBODY], f"person.{SOMEBODY}@example.com"
    shop = f"{url}/connections/shop"
    pages = {
        "Data pipeline": f"{url}/",
        "Install": f"{url}/install/customerio",
        "Connect PostHog": f"{url}/connect-posthog",
        "History": f"{url}/history",
        **{f"Overview, {period}": f"{shop}/overview?period={period}" for period in ("hour", "day", "week", "month")},
        "People": f"{shop}/people",
        "People, from the middle": f"{shop}/people?at=%2B7f",
        "People, by a whole email": f"{shop}/people?q={email}",
        "People, by a part of an email": f"{shop}/people?q={SOMEBODY}",
        "People, nobody": f"{shop}/people?q=zzqqx",
        "A person": f"{shop}/person?id={person}",
        "Forget": f"{shop}/forget?id={person}",
        "Events": f"{shop}/events",
        "An event": f"{shop}/events/{EVENTS // 2}",
        "Live": f"{shop}/live",
        "Failures": f"{shop}/failures",
        "Failures, of one reason": f"{shop}/failures?reason=invalid",
        "A failure": f"{shop}/failures/{EVENTS // 2}",
        "Try it": f"{shop}/try",
        "Settings": f"{shop}/settings",
        "Disconnect": f"{shop}/disconnect",
        "Accounts": f"{url}/accounts",
        "Your account": f"{url}/account",
        "API tokens": f"{url}/api-tokens",
        "Audit log": f"{url}/audit",
    }
    searches = {
        "a person": {"person": person},
        "an email": {"person": email},
        "an email of no customer": {"person": "nobody@example.com"},
        "somebody who never came": {"person": "nobody"},
        "a name": {"name": "order completed"},
        "a name that never came": {"name": "never"},
        "failed": {"outcome": "failed"},
        "a reason": {"outcome": "filtered", "reason": "not_identified"},
        "a name that failed": {"name": "$pageview", "outcome": "failed"},
        "pending": {"outcome": "pending"},
        "held (there are none)": {"outcome": "held"},
        "a person at Live": {"person": person},
    }
    print(f"{'page':<34} median (slowest) of {RUNS} in ms, {PAGE_MS} allowed; size, and as sent")
    for title, page in pages.items():
        await _timed(browser, title, page)
    print(f"searches of the event log, {SEARCH_MS} allowed")
    for title, asked in searches.items():
        place = "live" if "Live" in title else "events"
        await _timed(browser, title, f"{shop}/{place}?{urlencode(asked)}")
    await _older(browser, shop)


async def _timed(browser: aiohttp.ClientSession, title: str, page: str) -> str:
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        async with browser.get(page, headers={"accept-encoding": "gzip"}) as answer:
            text = await answer.text()
            took.append((time.perf_counter() - begin) * 1_000)
            assert answer.status == 200, (page, answer.status)
            size, encoding = answer.headers.get("content-length", "?"), answer.headers.get("content-encoding", "plain")
    figures = f"{median(took):>6.1f} ({max(took):>6.1f})"
    print(f"{title:<34} {figures}  {len(text):>7,} characters, {size:>6} {encoding}, {text.count('<tr'):>3} rows")
    return text


async def _older(browser: aiohttp.ClientSession, shop: str) -> None:
    """The second page of a rare result."""
    text = await _timed(browser, "failed, first page", f"{shop}/events?outcome=failed")
    if (link := re.search(r'rel="next" href="([^"]*)"', text)) is not None:
        await _timed(browser, "failed, second page", shop.partition("/connections")[0] + unescape(link[1]))
