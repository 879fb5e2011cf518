"""`python -m bench.soak [power|kills|lives …]`: the long runs, with their figures. `--small`: a hundredth of each;
`--part=0.1`: a tenth."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import structlog

from bench.soak import (
    forget,
    hostile,
    inputs,
    joins,
    lives,
    mutants,
    outage,
    points,
    power,
    rate,
    restarts,
    shared,
    shared_frozen,
    shared_joins,
    shared_rate,
    storms,
)
from bench.soak.storm import Outcome


def _power(work: Path, seed: int, part: float) -> None:
    power.print_figures(int(1_000 * part), work, seed)


def _kills(work: Path, seed: int, part: float) -> None:
    _print(storms.killed(work, kills=int(500 * part), people=5_000, events_each=int(200 * part), seed=seed))


def _order(work: Path, seed: int, part: float) -> None:
    _print(
        storms.in_order(
            work,
            kills=max(1, int(20 * part)),
            people=500,
            events_each=max(2, int(200 * part)),
            per_s=400,
            faults=20,
            timeouts=True,
            seed=seed,
        )
    )


def _lives(_work: Path, _seed: int, part: float) -> None:
    lives.print_figures(int(lives.HISTORIES * part), first=_first())


def _first() -> int:
    """Where to go on: `--first=SEED`."""
    given = [argument for argument in sys.argv if argument.startswith("--first=")]
    return int(given[-1].partition("=")[2]) if given else 0


def _print(outcome: Outcome) -> None:
    for name, value in msgspec.to_builtins(outcome).items():
        if isinstance(value, dict):
            for figure, found in value.items():
                print(f"  {figure}: {found}")
        else:
            print(f"  {name}: {value}")
    if not outcome.verdict.good:
        sys.exit("Something is missing, out of order or miscounted.")


SOAKS: dict[str, Callable[[Path, int, float], None]] = {
    "power": _power,
    "kills": _kills,
    "order": _order,
    "joins": joins.print_figures,
    "lives": _lives,
    "points": points.print_figures,
    "outage": outage.print_figures,
    "rate": rate.print_figures,
    "inputs": inputs.print_figures,
    "forget": forget.print_figures,
    "hostile": hostile.print_figures,
}
ASKED_FOR: dict[str, Callable[[Path, int, float], None]] = {
    "millions": joins.print_rounds,
    "mutants": mutants.print_figures,
    "restarts": restarts.print_figures,
    "scale": shared.print_figures,
    "scale-frozen": shared_frozen.print_figures,
    "scale-joins": shared_joins.print_figures,
    "scale-kafka": shared.print_with_kafka,
    "scale-rate": shared_rate.print_figures,
}
"""Not part of the whole: the first takes more than an hour by itself, the second looks at the tests, not at Hogline,
and the others need PostgreSQL, and Kafka."""


def main() -> None:
    known = ("--small", "--part=", "--first=")
    if any(argument.startswith("-") and not argument.startswith(known) for argument in sys.argv[1:]):
        sys.exit(f"{__doc__}\n\nThere are: {', '.join(SOAKS | ASKED_FOR)}.")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    names = [argument for argument in sys.argv[1:] if not argument.startswith("--")] or list(SOAKS)
    parts = [float(argument.removeprefix("--part=")) for argument in sys.argv if argument.startswith("--part=")]
    part = 0.01 if "--small" in sys.argv else parts[0] if parts else 1.0
    for name in names:
        soak = (SOAKS | ASKED_FOR).get(name)
        if soak is None:
            sys.exit(f"There is no soak {name!r}. There are: {', '.join(SOAKS | ASKED_FOR)}.")
        seed = Random().randrange(2**32)
        print(f"{name} (seed {seed})", flush=True)
        with TemporaryDirectory(prefix="hogline-soak-") as work:
            soak(Path(work), seed, part)


main()
