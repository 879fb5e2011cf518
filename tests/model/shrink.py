"""Makes a history that ends wrong as short as it goes, while it ends wrong in the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .history import History, Say, Step, World
from .run import outcome

MOST_TRIES = 1_500


def kind_of(wrong: str) -> str:
    """What is the same of two histories that end wrong in the same way."""
    return re.sub(r"[0-9]+", "#", re.split(r"[{:\n]", wrong)[0])[:60]


class _Tries:
    def __init__(self, wrong: str) -> None:
        self.kind = kind_of(wrong)
        self.left = MOST_TRIES

    def is_wrong(self, history: History) -> bool:
        if self.left <= 0:
            return False
        self.left -= 1
        wrong, _ = outcome(history)
        return wrong is not None and kind_of(wrong) == self.kind


def shrink(history: History, wrong: str) -> History:
    tries = _Tries(wrong)
    smaller = True
    while smaller and tries.left > 0:
        smaller = False
        for shorter in _shorter(history):
            if tries.is_wrong(shorter):
                history, smaller = shorter, True
                break
        if not smaller:
            for calmer in _calmer(history):
                if tries.is_wrong(calmer):
                    history, smaller = calmer, True
                    break
    return history


def _shorter(history: History) -> Iterator[History]:
    """Without some steps, many at once first."""
    steps = history.steps
    size = max(1, len(steps) // 2)
    while size:
        for first in range(len(steps) - size, -1, -size):
            yield history.with_steps(steps[:first] + steps[first + size :])
        size //= 2


def _calmer(history: History) -> Iterator[History]:
    """The same steps, with less in them, in a world where less happens."""
    for index, step in enumerate(history.steps):
        for less in _less(step):
            yield history.with_steps((*history.steps[:index], less, *history.steps[index + 1 :]))
    world, plain = history.world, World(history.world.options)
    for name in ("death_rate", "shuffles", "orders_by", "latency_s", "commit_s", "merge_delay_s"):
        if getattr(world, name) != getattr(plain, name) and name in {"death_rate", "shuffles", "orders_by"}:
            yield replace(history, world=replace(world, **{name: getattr(plain, name)}))
    for name in world.options:
        yield replace(history, world=replace(world, options={k: v for k, v in world.options.items() if k != name}))


def _less(step: Step) -> Iterator[Step]:
    if not isinstance(step, Say):
        return
    event = step.event
    for name in event.set:
        yield Say(replace(event, set={k: v for k, v in event.set.items() if k != name}))
    if event.unset:
        yield Say(replace(event, unset=()))
    if event.once:
        yield Say(replace(event, once={}))
    if event.test:
        yield Say(replace(event, test=False))
    if event.late_s:
        yield Say(replace(event, late_s=0))
    if event.person_email:
        yield Say(replace(event, person_email=None))
