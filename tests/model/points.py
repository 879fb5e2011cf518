"""`python -m tests.model.points PART`: small histories in which the process dies at each point where it can, one after
the other: before and after every commit and every request. With none to three other processes, which come and go.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from itertools import product

from .history import Configure, Event, History, Rest, Say, Step, Wait, World
from .lives import visitor
from .run import outcome

V, V2 = visitor(1), visitor(2)


def _said(name: str, who: str, other: object = None, **values: object) -> Say:
    return Say(Event(name, who, values, other=other))


HISTORIES: dict[str, tuple[Step, ...]] = {
    "a visitor signs up": (_said("page", V), _said("$identify", "u1", V, email="a@x.com"), _said("page", "u1")),
    "an email moves": (
        _said("page", "u1", email="a@x.com"), _said("page", "u2", email="b@x.com"), Rest(),
        _said("page", "u1", email="c@x.com"), _said("page", "u2", email="a@x.com"),
    ),
    "two customers are joined": (
        _said("page", V, plan=1), _said("page", "u1", plan=2), Rest(), _said("$identify", "u1", V), Wait(0.5),
        _said("page", V),
    ),
    "two visitors sign up as one": (
        _said("page", V), _said("page", V2), _said("$identify", "u1", V), _said("$identify", "u1", V2, email="a@x.com"),
    ),
    "options change": (
        _said("page", V), _said("$identify", "u1", V, email="a@x.com"), Wait(0.1),
        Configure({"anonymous_users": "emails"}, at_rest=False), _said("page", "u1"),
    ),
}  # fmt: skip
OPTIONS: tuple[dict[str, object], ...] = ({}, {"identify_by_email": True}, {"anonymous_users": "anonymous-events"})
MATES = range(4)


def main(part: float) -> None:
    ended, wrong = Counter[int](), 0
    options = OPTIONS[: max(1, int(len(OPTIONS) * part))]
    for steps, chosen, mates in product(HISTORIES.values(), options, MATES):
        world = World(chosen, mates=mates, latency_s=0.3)
        _, alive = outcome(History(world, (*steps, Rest())))
        for point in range(alive.hogline.points + 1):
            history = History(replace(world, dies_at=point), (*steps, Rest()))
            found, _ = outcome(history)
            ended[mates] += 1
            if found is not None:
                wrong += 1
                print(f"{found}\n{history}", flush=True)
    for mates, count in ended.items():
        print(f"  {count:,} runs with {mates} other processes")
    print(f"  wrong: {wrong}")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main(float(sys.argv[1]))
