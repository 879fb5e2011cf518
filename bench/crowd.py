"""`hogline send` with 5,000,000 people already known: 100,000 events of people drawn from all of them, beside the same
events where only those people are known whom they name.

Prints events a second and peak memory of both, as medians of interleaved runs, and their ratios.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from uuid import UUID

import apsw
import msgspec

from bench.processes import Cost, run, sandbox
from bench.traffic import events

PEOPLE, EVENTS, RUNS = 5_000_000, 100_000, 3
AT_ONCE = 50_000


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
            _know(data, ids)
        print(f"  {'state.db, MB':28} {(many / 'state.db').stat().st_size / 1e6:>9,.0f}")
        costs: dict[Path, list[Cost]] = {few: [], many: []}
        for _ in range(RUNS):
            for data, found in costs.items():
                found.append(run(data, "send", str(file)))
        for title, data in ((f"only {len(named):,} known", few), (f"{PEOPLE:,} known", many)):
            _print(f"{title}: events/s", [EVENTS / cost.wall_s for cost in costs[data]], ",.0f")
            _print(f"{title}: peak MB", [cost.peak_mb for cost in costs[data]], ".0f")
        ratios = [one.wall_s / other.wall_s for one, other in zip(costs[few], costs[many], strict=True)]
        _print("speed, of that with few", ratios, ".2f")


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


def _know(data: Path, numbers: Iterable[int]) -> None:
    """People as a connection knows them that has had them for long."""
    database = apsw.Connection(str(data / "state.db"))
    database.execute("BEGIN")
    rows = ((f"user-{number}", f"user-{number}@example.com") for number in numbers)
    while some := [row for row, _ in zip(rows, range(AT_ONCE), strict=False)]:
        database.execute(
            "INSERT INTO people (connection, distinct_id, email, person)"
            " SELECT 1, value ->> 0, value ->> 1, json_object('distinct_id', value ->> 0, 'identified', json('true'),"
            " 'email', value ->> 1, 'customer', json_object('kind', 'id', 'value', value ->> 0),"
            " 'linked_email', value ->> 1, 'recent', json('[1,2,3,4,5,6,7,8,9,10]'),"
            " 'accepted', json_object('email', value ->> 1, 'plan', 'free', 'visits', 0),"
            " 'attributes_ms', 1792000000000, 'first_seen_ms', 1792000000000, 'last_seen_ms', 1792000000000)"
            " FROM json_each(?)",
            (msgspec.json.encode(some).decode(),),
        )
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.close()
