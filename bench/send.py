"""`hogline send` of 100,000 mixed events of 5,000 people to a sandbox on the same machine.

Prints events a second, requests an event and peak memory, as medians; and checks that nothing was lost, that every
person's events arrived in order, and that `hogline status` adds up.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import msgspec

from bench.processes import Cost, get, run, sandbox
from bench.traffic import lines

EVENTS, PEOPLE, RUNS = 100_000, 5_000, 3


def main() -> None:
    print(f"hogline send: {EVENTS:,} events of {PEOPLE:,} people, median of {RUNS} runs (all)")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        file.write_bytes(b"".join(lines(EVENTS, PEOPLE)))
        results = [_once(Path(folder) / f"data-{number}", file) for number in range(RUNS)]
    _print("events/s, whole command", [EVENTS / cost.wall_s for cost, _ in results], ",.0f")
    _print("CPU seconds", [cost.cpu_s for cost, _ in results], ".1f")
    _print("peak memory, MB", [cost.peak_mb for cost, _ in results], ".0f")
    _print("events a request", [EVENTS / requests for _, requests in results], ",.0f")


def _print(title: str, figures: list[float], form: str) -> None:
    everything = ", ".join(format(figure, form) for figure in figures)
    print(f"  {title:28} {format(median(figures), form):>9}   ({everything})")


def _once(data: Path, file: Path) -> tuple[Cost, int]:
    with sandbox() as url:
        run(
            data,
            "connect",
            "customerio",
            "--site-id=sandbox-site",
            "--api-key=sandbox-key",
            f"--tracking-endpoint={url}",
        )
        cost = run(data, "send", str(file))
        status = msgspec.json.decode(run(data, "status", "--json").output)["connections"][0]
        _check(url, status)
    return cost, status["requests"]


def _check(url: str, status: dict[str, int]) -> None:
    assert (status["received"], status["delivered"], status["pending"]) == (EVENTS, EVENTS, 0), status
    by_person: dict[str, list[int]] = defaultdict(list)
    after = 0
    while page := get(f"{url}/sandbox/events?limit=10000&after={after}"):
        after = page[-1]["sequence"]
        for event in page:
            by_person[event["person"]["id"]].append(event["data"]["n"])
    assert sum(map(len, by_person.values())) == EVENTS
    assert len(by_person) == PEOPLE
    assert all(numbers == list(range(len(numbers))) for numbers in by_person.values())
