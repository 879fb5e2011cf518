"""Many people who come and go, in all the ways in which something of them is kept; then no file may have a trace of
whom was forgotten. One process, real files, a Customer.io that accepts nearly everything.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import structlog
from msgspec import Struct

from hogline.backfill.views import Row
from hogline.clock import SystemClock
from hogline.model import Request, Response
from hogline.posthog.json_text import read_file_line
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.datadir.directory import DataDirectory
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.views.people import PersonView

GOOD: dict[str, object] = {"site_id": "site", "api_key": "key"}
_REGION = Response(200, {}, b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}')
_LINES_AT_ONCE = 500
_NOON = "2026-11-01T12:00:00Z"
_SCAN = (
    "import pathlib, sys; texts = sys.stdin.buffer.read().split(); hits = 0\n"
    "for file in pathlib.Path(sys.argv[1]).rglob('*'):\n"
    "    raw = file.read_bytes() if file.is_file() else b''\n"
    "    hits += sum(text in raw for text in texts)\n"
    "print(hits)"
)


class Outcome(Struct, frozen=True, kw_only=True):
    """What a round came to. `hits` and `hits_when_closed` must be 0, `others_left` as many as `others`."""

    events: int
    forgotten: int
    hits_before: int
    """Ids and emails of those who are to be forgotten, times the files in which each stands."""
    hits: int
    hits_when_closed: int
    others: int
    others_left: int
    forgetting_s: float

    @property
    def good(self) -> bool:
        return not self.hits and not self.hits_when_closed and self.others == self.others_left


class Somebody:
    """A person with a visitor's id, an account and two emails."""

    def __init__(self, random: Random, number: int) -> None:
        self.id = f"user-{random.getrandbits(64):016x}"
        self.visitor = f"{random.getrandbits(128):032x}"
        self.emails = [f"{random.getrandbits(48):012x}@{place}.example" for place in ("first", "second")]
        self.identified = number % 5 != 0
        self.is_refused = number % 11 == 0

    @property
    def names(self) -> list[str]:
        return [self.id, *self.emails] + [self.visitor] * self.identified

    def events(self, random: Random) -> list[dict[str, object]]:
        filling = "x" * random.randrange(2_000)
        said: list[dict[str, object]] = []
        if self.identified:
            said += [_event("$pageview", self.visitor, url=filling), _event("cart opened", self.visitor)]
            said.append(_event("$identify", self.id, {"email": self.emails[0]}, **{"$anon_distinct_id": self.visitor}))
        else:
            said.append(_event("signed up", self.id, {"email": self.emails[0]}, text=filling))
        said.append(_event("ordered", self.id, {"email": self.emails[1], "plan": filling[:200]}))
        if self.is_refused:
            said.append(_event("refuse me", self.id, note=self.emails[1]))
        return said


def _event(name: str, who: str, set_: dict[str, object] | None = None, **properties: object) -> dict[str, object]:
    more = {"$set": set_} if set_ else {}
    return {"event": name, "distinct_id": who, "timestamp": _NOON, "properties": properties | more}


async def _customerio(request: Request) -> Response:
    """Refuses events named `refuse me`."""
    if request.method == "GET":
        return _REGION
    batch = msgspec.json.decode(request.body, type=dict[str, list[dict[str, object]]])["batch"]
    errors = [
        {"batch_index": index, "reason": "invalid", "field": "name", "message": "no"}
        for index, operation in enumerate(batch)
        if operation.get("name") == "refuse me"
    ]
    return Response(207, {}, msgspec.json.encode({"errors": errors})) if errors else Response(200, {}, b"{}")


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(DataDirectory(folder))
        clock = SystemClock()
        journal = SqliteJournal(directory.journal, clock.time_ms)
        stack.push_async_callback(journal.close)
        state = SqliteState(directory.state, directory.vault(None))
        stack.push_async_callback(state.close)
        settings = Settings(data=folder, merge_delay_s=0)
        service = Service(settings, journal=journal, state=state, send=_customerio, clock=clock, delivers=True)
        stack.push_async_callback(service.close)
        await service.start()
        yield service


async def _receive(service: Service, events: list[dict[str, object]]) -> None:
    handle = await service.sendings.begin()
    for begin in range(0, len(events), _LINES_AT_ONCE):
        lines = [msgspec.json.encode(one) for one in events[begin : begin + _LINES_AT_ONCE]]
        batches = [read_file_line(line, number, time.time_ns() // 1_000_000) for number, line in enumerate(lines, 1)]
        await service.sendings.send(handle, [Row("", 0, each.body) for batch in batches for each in batch.received], {})
    while any(one.pending for one in await service.sendings.show(handle, 60)):
        pass
    await service.sendings.end(handle)


def _hits(folder: Path, texts: list[str]) -> int:
    """Counted by another process: opening and closing the files here would take the locks on them away."""
    scanned = subprocess.run(
        [sys.executable, "-c", _SCAN, str(folder)], input="\n".join(texts).encode(), capture_output=True, check=True
    )
    return int(scanned.stdout)


async def _round(folder: Path, *, people: int, forget: int, seed: int) -> Outcome:
    random = Random(seed)
    everybody = [Somebody(random, number) for number in range(people)]
    events = [event for one in random.sample(everybody, people) for event in one.events(random)]
    gone, others = everybody[:forget], everybody[forget:]
    names = [name for one in gone for name in one.names]
    async with _opened(folder) as service:
        await service.connections.add("customerio", GOOD, name="all")
        await service.connections.add(
            "customerio", {**GOOD, "anonymous_users": "identified", "hold_days": 30}, name="holds"
        )
        await service.connections.add("customerio", {**GOOD, "identify_by_email": True}, name="emails")
        await service.connections.add("customerio", GOOD, name="removed")
        await _receive(service, events)
        await service.connections.remove("removed")
        hits_before, begin_s = _hits(folder, names), time.monotonic()
        for number, one in enumerate(gone):
            who = random.choice([one.id, one.emails[1], one.visitor if one.identified else one.id])
            forgotten = await service.forgetting.forget(who, suppress=number % 2 == 0)
            assert not forgotten.cleaned_later
            if number % 20 == 0:  # others go on meanwhile
                await _receive(
                    service, [event for other in random.sample(others, 20) for event in other.events(random)]
                )
        forgetting_s, hits = time.monotonic() - begin_s, _hits(folder, names)
        known = {person.distinct_id for name in ("all", "emails") for person in await _everybody(service, name)}
        left = sum(one.id in known for one in others)
    return Outcome(
        events=len(events),
        forgotten=len(gone),
        hits_before=hits_before,
        hits=hits,
        hits_when_closed=_hits(folder, names),
        others=len(others),
        others_left=left,
        forgetting_s=forgetting_s,
    )


async def _everybody(service: Service, connection: str) -> list[PersonView]:
    found: list[PersonView] = []
    after = ""
    while page := await service.people.find("", connection=connection, after=after, limit=1_000):
        found += page
        after = page[-1].distinct_id
    return found


def once(folder: Path, *, people: int, forget: int, seed: int) -> Outcome:
    return asyncio.run(_round(folder, people=people, forget=forget, seed=seed))


def print_figures(work: Path, seed: int, part: float) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    rounds = max(1, round(10 * part))
    for number in range(rounds):
        outcome = once(
            work / f"{number}", people=max(200, int(5_000 * part)), forget=max(20, int(200 * part)), seed=seed + number
        )
        print(
            f"  round {number + 1}: " + ", ".join(f"{k} {v}" for k, v in msgspec.to_builtins(outcome).items()),
            flush=True,
        )
        if not outcome.good:
            sys.exit("There is a trace of somebody who was forgotten, or somebody else is missing.")
