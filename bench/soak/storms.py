"""The storms: Hogline killed while it receives and delivers, and killed while Customer.io fails too."""

from __future__ import annotations

from pathlib import Path
from random import Random

from bench.soak.faults import follow, script
from bench.soak.storm import Outcome, Storm, rage
from bench.soak.traffic import Traffic


def killed(work: Path, *, kills: int, people: int, events_each: int, seed: int) -> Outcome:
    """`kill -9` at random moments, while as much comes in as is answered."""
    return rage(Storm(traffic=Traffic(people=people, events_each=events_each), kills=kills, seed=seed), work)


def in_order(
    work: Path, *, kills: int, people: int, events_each: int, per_s: float, faults: int, timeouts: bool, seed: int
) -> Outcome:
    """So many faults of Customer.io's before each kill, and after the last. `timeouts`: after the last kill a
    request hangs for longer than Hogline waits; the others end with a kill at the latest.
    """
    source = Random(seed)

    def each_start(url: str, last: bool) -> None:  # noqa: FBT001  # as the storm calls it
        hang_s = 600 if not last else 70 if timeouts else 1
        follow(url, script(source, faults, hang_s))

    traffic = Traffic(people=people, events_each=events_each, batches=0.05, per_s=per_s, text_bytes=400, refused=True)
    return rage(Storm(traffic=traffic, kills=kills, seed=seed, each_start=each_start), work)
