"""The metrics page for Prometheus: the status, the time of requests, and bytes on disk.

Counters come from the state on disk, so they survive a restart; the histogram starts over with the process. A scrape is
cheap and never fails: figures that cannot be read are those of the last time, and their age says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import structlog
from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hogline import __version__
from hogline.telemetry import names
from hogline.telemetry.internal_errors import kind_and_place
from hogline.telemetry.vocabulary import Vocabulary
from hogline.views.connections import ConnectionStatus, SourceView, Status

log = structlog.get_logger("hogline.metrics")

FRESH_S = 1.0
"""Figures younger than this are used again, however many scrapers there are."""
ASK_WITHIN_S = 5.0
"""Scrapers give up after 10 s, so old figures are better than none."""
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_NOTHING = Status(connections=[], refused={})


class Metrics:
    """`observed` is the workers' listener; `page` answers a scrape."""

    def __init__(self, stores: Mapping[str, Path], now_s: Callable[[], float]) -> None:
        """`stores`: database files by the name in their label. `now_s`: seconds that never go back."""
        self._now_s = now_s
        self._asking = asyncio.Lock()
        self._asked_s = self._read_s = now_s() - FRESH_S
        self._figures = _Figures(stores)
        self._registry = CollectorRegistry()
        self._registry.register(self._figures)
        self._request_time = _request_time(self._registry)
        self._timed: set[str] = set()
        ProcessCollector(registry=self._registry)

    def observed(self, connection: str, took_s: float) -> None:
        """A request took this long."""
        self._timed.add(connection)
        self._request_time.labels(connection).observe(took_s)

    async def page(self, status: Callable[[], Awaitable[Status]]) -> bytes:
        """All metrics in Prometheus' text format, with the figures of `status`. Never raises."""
        async with self._asking:
            if self._now_s() - self._asked_s >= FRESH_S:
                await self._look(status)
        self._figures.age_s = self._now_s() - self._read_s
        return generate_latest(self._registry)

    async def _look(self, ask: Callable[[], Awaitable[Status]]) -> None:
        self._asked_s = self._now_s()
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                status = await ask()
        except Exception as trouble:  # people look at metrics when a disk is in trouble
            log.warning("the status cannot be read for metrics", error=kind_and_place(trouble))
            return
        self._read_s = self._asked_s
        self._figures.status = status
        for gone in self._timed - {connection.name for connection in status.connections}:
            self._timed.discard(gone)
            self._request_time.remove(gone)


def _request_time(registry: CollectorRegistry) -> Histogram:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's; the time of its birth is no metric
    metric = names.REQUEST_TIME
    return Histogram(metric.name, metric.help, metric.labels, buckets=BUCKETS_S, registry=registry)


class _Figures(Collector):
    """Turns a status into Prometheus' families. Every family is there, even without connections."""

    def __init__(self, stores: Mapping[str, Path]) -> None:
        self.status = _NOTHING
        self.age_s = 0.0
        self._stores = stores
        self._words: dict[tuple[str, str], Vocabulary] = {}

    def collect(self) -> Iterator[Metric]:
        connections = self.status.connections
        yield from (self._plain(metric, figure, connections) for metric, figure in _FIGURES)
        yield from (self._by_word(metric, counts, connections) for metric, counts in _COUNTS)
        yield self._states(connections)
        yield self._of_sources(names.SOURCE_BEHIND, lambda source: source.behind)
        yield self._of_sources(names.SOURCE_TROUBLE, lambda source: source.trouble_s)
        refused = _family(names.REFUSED)
        for reason, n in self._bounded(names.REFUSED, "", self.status.refused).items():
            refused.add_metric([reason], n)
        yield refused
        disk = _family(names.DISK)
        for store, file in self._stores.items():
            disk.add_metric([store], _size_bytes(file))
        yield disk
        age = _family(names.STATUS_AGE)
        age.add_metric([], self.age_s)
        yield age
        info = _family(names.INFO)
        info.add_metric([__version__], 1)
        yield info

    def _plain(
        self, metric: names.Metric, figure: Callable[[ConnectionStatus], float], connections: list[ConnectionStatus]
    ) -> Metric:
        family = _family(metric)
        for connection in connections:
            family.add_metric([connection.name], figure(connection))
        return family

    def _by_word(
        self,
        metric: names.Metric,
        counts: Callable[[ConnectionStatus], Mapping[str, int]],
        connections: list[ConnectionStatus],
    ) -> Metric:
        family = _family(metric)
        for connection in connections:
            for word, n in self._bounded(metric, connection.name, counts(connection)).items():
                family.add_metric([connection.name, word], n)
        return family

    def _of_sources(self, metric: names.Metric, figure: Callable[[SourceView], float]) -> Metric:
        family = _family(metric)
        for source in self.status.sources:
            family.add_metric([source.name], figure(source))
        return family

    def _states(self, connections: list[ConnectionStatus]) -> Metric:
        family = _family(names.STATE)
        for connection in connections:
            for state in names.STATES:
                family.add_metric([connection.name, state], int(state == connection.state))
        return family

    def _bounded(self, metric: names.Metric, connection: str, counts: Mapping[str, int]) -> dict[str, int]:
        return self._words.setdefault((metric.name, connection), Vocabulary()).bounded(counts)


_FIGURES: tuple[tuple[names.Metric, Callable[[ConnectionStatus], float]], ...] = (
    (names.RECEIVED, lambda connection: connection.received),
    (names.DELIVERED, lambda connection: connection.delivered),
    (names.HELD, lambda connection: connection.held),
    (names.PENDING, lambda connection: connection.pending),
    (names.LAG, lambda connection: connection.lag_s),
    (names.REQUESTS, lambda connection: connection.requests),
)
_COUNTS: tuple[tuple[names.Metric, Callable[[ConnectionStatus], Mapping[str, int]]], ...] = (
    (names.FILTERED, lambda connection: connection.filtered),
    (names.FAILURES, lambda connection: connection.failures),
    (names.RETRIES, lambda connection: connection.retries),
    (names.ADJUSTED, lambda connection: connection.adjusted),
    (names.REPLAYED, lambda connection: connection.replayed),
)


def _family(metric: names.Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def _size_bytes(file: Path) -> int:
    """Of a SQLite database and its other files; a missing one takes nothing."""
    total = 0
    for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total
