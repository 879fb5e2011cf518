"""Where a run of older events goes, as its feeder sees it: how far its connections are, and how fast they may be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hogline.delivery.installed import installed
from hogline.delivery.workers import Workers
from hogline.destinations.base import InvalidOptions
from hogline.store.base import Connection


class RunTarget:
    """The connections of a run. One that does not run holds up no other."""

    def __init__(self, workers: Workers, connections: Sequence[Connection]) -> None:
        self._workers = workers
        self._connections = connections

    def settled(self) -> tuple[int, int] | None:
        found = [self._workers.settled(one.id) for one in self._connections]
        running = [one for one in found if one is not None]
        if not running:
            return None
        return min(settled for settled, _ in running), max(requests for _, requests in running)

    def all_run(self) -> bool:
        return all(self._workers.runs(one.id) for one in self._connections)

    def requests_per_second(self) -> float:
        rates = []
        for one in self._connections:
            with suppress(InvalidOptions):  # then it is not running
                opened = installed(one)
                rates.append(opened.destination.requests_per_second(opened.options))
        return min(rates, default=1.0)
