"""`python -m tests.model SEED` shows how one history ends, shrunk if wrong; `FIRST-LAST` lives through many."""

from __future__ import annotations

import sys
import time

from tests.model.lives import history_of
from tests.model.run import Run, outcome
from tests.model.shrink import kind_of, shrink


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


def one(seed: int, *, whole: bool) -> None:
    history = history_of(seed)
    wrong, run = outcome(history)
    if wrong is not None and not whole:
        history = shrink(history, wrong)
        wrong, run = outcome(history)
    print(history)
    show(run)
    print(f"=> {wrong or 'all is as it should be'}")


def many(first: int, last: int) -> None:
    began_s, kinds, events, deaths = time.process_time(), dict[str, list[tuple[int, str]]](), 0, 0
    for seed in range(first, last):
        wrong, run = outcome(history_of(seed))
        events += run.position
        deaths += run.hogline.deaths
        if wrong is not None:
            kinds.setdefault(kind_of(wrong), []).append((seed, wrong))
    for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(found)} × {kind}: {', '.join(str(seed) for seed, _ in found[:8])}\n    {found[0][1][:600]}")
    took_s = time.process_time() - began_s
    print(f"{last - first} histories, {events} events, {deaths} deaths, {took_s:.1f} s: {sum(map(len, kinds.values()))} wrong")


def main() -> None:
    asked = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(asked) != 1:
        sys.exit("Give a seed, or FIRST-LAST.")
    first, _, last = asked[0].partition("-")
    if last:
        many(int(first), int(last))
    else:
        one(int(first), whole="--whole" in sys.argv)


if __name__ == "__main__":
    main()
