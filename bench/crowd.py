"""`hogline send` with 5,000,000 people already known: 100,000 events of people drawn from all of them, beside the same
events where only those people are known whom they name.

Prints events a second and CPU of both, as medians of interleaved runs, and their ratios.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from uuid import UUID

import msgspec

from bench.processes import Cost, run, sandbox
from bench.traffic import events
from hogline.core.changes import Flush, Settlement
from hogline.core.known import Fact, Person
from hogline.core.ledger import LedgerRow
from hogline.core.sync import fingerprint
from hogline.core.told import Customer, Mark, Told
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Identifier
from hogline.runtime.serve import serving
from hogline.settings import Settings

PEOPLE, EVENTS, RUNS = 5_000_000, 100_000, 3
AT_ONCE = 10_000
LONG_AGO_MS = 1_790_000_000_000


def main() -> None:
    print(f"hogline send: {EVENTS:,} events of {PEOPLE:,} known people, median of {RUNS} runs (all)")
    with tempfile.TemporaryDirectory() as folder, sandbox() as url:
        file = Path(folder) / "events.jsonl"
        named = sorted(_write(file))
        few, many = Path(folder) / "few", Path(folder) / "many"
        for data, ids in ((few, named), (many, range(PEOPLE))):
            run(
                data, "connect", "customerio", "--site-id=sandbox-site", "--api-key=sandbox-key",
                f"--tracking-endpoint={url}",
            )  # fmt: skip
            asyncio.run(_know(data, ids))
        print(f"  {'state.db, MB':28} {(many / 'state.db').stat().st_size / 1e6:>9,.0f}")
        costs: dict[Path, list[Cost]] = {few: [], many: []}
        for _ in range(RUNS):
            for data, found in costs.items():
                found.append(run(data, "send", str(file)))
        for title, data in ((f"only {len(named):,} known", few), (f"{PEOPLE:,} known", many)):
            _print(f"{title}: events/s", [EVENTS / cost.wall_s for cost in costs[data]], ",.0f")
            _print(f"{title}: CPU, µs an event", [cost.cpu_s / EVENTS * 1e6 for cost in costs[data]], ".0f")
        ratios = [one.wall_s / other.wall_s for one, other in zip(costs[few], costs[many], strict=True)]
        _print("speed, of that with few", ratios, ".2f")
        ratios = [one.cpu_s / other.cpu_s for one, other in zip(costs[few], costs[many], strict=True)]
        _print("the same by CPU", ratios, ".2f")


def _print(title: str, figures: list[float], form: str) -> None:
    everything = ", ".join(format(figure, form) for figure in figures)
    print(f"  {title:28} {format(median(figures), form):>9}   ({everything})")


def _write(file: Path) -> set[int]:
    """Events like all others here, each of a random user; returns whose."""
    source = random.Random(7)
    named = set()
    with file.open("wb") as to:
        for event in events(EVENTS, 1):
            person = source.randrange(PEOPLE)
            named.add(person)
            event |= {"uuid": str(UUID(int=source.getrandbits(128), version=4)), "distinct_id": f"user-{person}"}
            to.write(msgspec.json.encode(event) + b"\n")
    return named


async def _know(data: Path, numbers: Iterable[int]) -> None:
    """People who are customers and were told everything. In the order of their ids, as that is quickest to write."""
    settings = Settings(data=data, listen="127.0.0.1:0", console="127.0.0.1:0", log_level="error")
    people = DESTINATIONS["customerio"].people
    assert people is not None
    view = people.rules(DESTINATIONS["customerio"].read_options({"site_id": "s", "api_key": "k"})).view
    ids = sorted(f"user-{number}" for number in numbers)
    async with serving(settings) as service:
        (connection,) = await service.state.connections()
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            await service.state.flush(Flush({}, {one: _person(one) for one in some}, 0))
            ledger = {_email(one): LedgerRow(one, "accepted", Identifier("id", one), 0) for one in some}
            told = {one: _told(one, view) for one in some}
            await service.state.settle(Settlement(connection=connection.id, lanes={}, told=told, ledger=ledger))


def _email(who: str) -> str:
    return f"{who}@example.com"


def _values(who: str) -> dict[str, object]:
    return {"email": _email(who), "plan": "free", "visits": 0}


def _person(who: str) -> Person:
    facts = {name: Fact(value, LONG_AGO_MS, 1) for name, value in _values(who).items()}
    return Person(who, facts, identified_at=0, emailed_at=0, version=1)


def _told(who: str, view: int) -> Told:
    names = {name: Mark(1, fingerprint(value)) for name, value in _values(who).items()}
    main = Customer("id", who, "accepted", _email(who), names, said_s=LONG_AGO_MS // 1_000)
    return Told(main, emails=(_email(who),), seen=(1, view), recent=tuple(range(10)))
