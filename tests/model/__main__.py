"""`python -m tests.model SEED` shows how one history ends, shrunk if wrong (`--whole`: as it is); `FIRST-LAST` lives
through many (`--json`: figures for programs; `--until-wrong`: no further than the first that ends wrong). `--mates=N`:
so many other processes deliver the same connections."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace

import msgspec
from msgspec import Struct

from .history import History
from .lives import history_of
from .run import Run, outcome
from .shrink import kind_of, shrink


def _history(seed: int, mates: int) -> History:
    history = history_of(seed)
    return replace(history, world=replace(history.world, mates=mates))


def show(run: Run) -> None:
    """What was asked of each destination, what it has now, and what PostHog has."""
    for connection in run.connections.values():
        print(f"{connection.name}: what Customer.io was asked")
        for done in connection.customerio.done:
            print(f"  {done.request}. {done.what}{'' if done.accepted else '   REFUSED'}")
        for customer in connection.customerio.customers:
            print(f"  has {customer}")
    for human in run.truth.humans:
        print(f"PostHog has {human}")


def one(seed: int, *, mates: int, whole: bool) -> None:
    history = _history(seed, mates)
    wrong, run = outcome(history)
    if wrong is not None and not whole:
        history = shrink(history, wrong)
        wrong, run = outcome(history)
    print(history)
    show(run)
    print(f"=> {wrong or 'all is as it should be'}")


class Lived(Struct):
    """What many histories came to."""

    histories: int = 0
    events: int = 0
    deaths: int = 0
    requests: int = 0
    merges: int = 0
    wrong: dict[int, str] = {}
    """What was wrong, by seed."""


def live(seeds: Iterable[int], *, mates: int = 0, until_wrong: bool = False) -> Lived:
    """Live through the histories of these seeds. `mates`: so many other processes deliver, too."""
    lived = Lived()
    for seed in seeds:
        wrong, run = outcome(_history(seed, mates))
        lived.histories += 1
        lived.events += run.position
        lived.deaths += run.hogline.deaths
        lived.requests += run.hogline.requests
        lived.merges += sum(len(one.customerio.merges) for one in run.connections.values())
        if wrong is not None:
            lived.wrong[seed] = wrong
            if until_wrong:
                break
    return lived


def _print(lived: Lived, took_s: float) -> None:
    kinds: dict[str, list[int]] = {}
    for seed, wrong in lived.wrong.items():
        kinds.setdefault(kind_of(wrong), []).append(seed)
    for kind, seeds in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(seeds)} of {kind}: {', '.join(map(str, seeds[:8]))}\n    {lived.wrong[seeds[0]][:900]}")
    print(
        f"{lived.histories} histories, {lived.events} events, {lived.deaths} deaths, {lived.requests} requests, "
        f"{lived.merges} merges, {took_s:.1f} s: {len(lived.wrong)} wrong"
    )


def main() -> None:
    asked = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(asked) != 1:
        sys.exit("Give a seed, or FIRST-LAST.")
    mates = sum(int(argument.removeprefix("--mates=")) for argument in sys.argv if argument.startswith("--mates="))
    first, _, last = asked[0].partition("-")
    if not last:
        one(int(first), mates=mates, whole="--whole" in sys.argv)
        return
    began_s = time.process_time()
    lived = live(range(int(first), int(last)), mates=mates, until_wrong="--until-wrong" in sys.argv)
    if "--json" in sys.argv:
        print(msgspec.json.encode(lived).decode())
    else:
        _print(lived, time.process_time() - began_s)


if __name__ == "__main__":
    main()
