"""What one event costs that changes nothing, stage by stage, in microseconds of CPU: no disk, no network, one process.

Batches of 50 events as posthog-js sends them, of people who are known and were told everything; every event is about
600 bytes. Each stage is the fastest of several rounds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from bench.traffic import events
from hogline.core.desk import Desk
from hogline.core.fold import Fold
from hogline.core.known import Known
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Operation
from hogline.posthog.capture import open_capture, read_envelope
from hogline.posthog.entry import decode_entry
from hogline.posthog.weight import weight_bytes
from hogline.store.forgetting import NOBODY
from hogline.store.memory import MemoryStore

EVENTS, PEOPLE, BATCH, ROUNDS = 20_000, 2_000, 50, 5
NOW_MS = 1_793_000_400_000
READ = 1_000
T = TypeVar("T")


class Stages:
    def __init__(self) -> None:
        self.best_us: dict[str, float] = {}
        self._now_us: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        took_us = (time.process_time() - begin) * 1e6
        self._now_us[stage] = self._now_us.get(stage, 0.0) + took_us

    def round_over(self, count: int) -> None:
        for stage, took_us in self._now_us.items():
            self.best_us[stage] = min(self.best_us.get(stage, 1e9), took_us / count)
        self._now_us.clear()


def _bodies(made: list[dict[str, object]]) -> list[bytes]:
    return [
        msgspec.json.encode({"api_key": "phc_token", "batch": made[first : first + BATCH]})
        for first in range(0, len(made), BATCH)
    ]


def main() -> None:
    gc.set_threshold(50_000, 20, 50)  # as `hogline serve`
    made = list(events(PEOPLE + EVENTS, PEOPLE))
    quiet = [one for one in made[PEOPLE:] if "$set" not in one["properties"]]  # type: ignore[operator]  # a dict
    stages = Stages()
    run = _Run()
    run.deliver(_bodies(made[:PEOPLE]), Stages())
    for _ in range(ROUNDS):
        run.deliver(_bodies(quiet), stages)
        stages.round_over(len(quiet))
    print(f"one event that changes nothing, in µs: the fastest of {ROUNDS} rounds of {len(quiet):,} events")
    for stage, us in stages.best_us.items():
        print(f"  {stage:32} {us:6.2f}")
    behind = sum(us for stage, us in stages.best_us.items() if stage != "the door")
    print(f"  {'behind the door':32} {behind:6.2f}")
    print(f"  {'all':32} {behind + stages.best_us['the door']:6.2f}")


class _Run:
    def __init__(self) -> None:
        destination = DESTINATIONS["customerio"]
        options = destination.read_options({"site_id": "site", "api_key": "key"})
        self._store = MemoryStore()
        self._known = Known(self._store, 0)
        suppressed = NOBODY
        self._fold = Fold(self._known, suppressed=suppressed)
        self._desk = Desk(
            destination,
            options,
            connection=1,
            known=self._known,
            reads=self._store,
            start=0,
            lanes={},
            start_s=0,
            suppressed=suppressed,
        )
        self._request: Callable[[Sequence[Operation]], object] = lambda operations: destination.request(
            operations, options, 0
        )
        self._position = 0

    def deliver(self, bodies: list[bytes], stages: Stages) -> None:
        kept: list[bytes] = []
        with stages("the door"):
            for body in bodies:
                kept += [one.body for one in read_envelope(open_capture(body), NOW_MS).received]
        known, fold, desk, store = self._known, self._fold, self._desk, self._store
        for first in range(0, len(kept), READ):
            rows = list(enumerate(kept[first : first + READ], self._position + 1))
            self._position = rows[-1][0]
            with stages("journal: decode"):
                received = []
                for position, body in rows:
                    entry = decode_entry(body)
                    received.append((position, entry, weight_bytes(body, entry)))
            with stages("fold"):
                for position, entry, _ in received:
                    fold.fold(position, entry)
            flush = known.take_flush()
            store.flush(flush)
            known.flushed(flush)
            with stages("feed"):
                desk.feed(received)
            while True:
                with stages("plan"):
                    shipment = desk.plan(NOW_MS)
                if shipment is None:
                    break
                if shipment.intent is not None:
                    store.intend(shipment.intent)
                with stages("request"):
                    self._request(shipment.operations)
                with stages("settle"):
                    settled = desk.settle(shipment, [None] * len(shipment.operations), NOW_MS)
                store.settle(settled.settlement)
                with stages("settled"):
                    desk.settled(shipment, settled)
