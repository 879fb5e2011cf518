"""The yardstick: the official `customerio` client sending the same events to the same sink, from memory and with
nothing kept. It sends one event after the other, or its `batch` with 500 operations in one request.

It speaks https only; here its requests are turned to the sink.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from customerio import CustomerIO  # type: ignore[import-untyped]
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from bench.traffic import events

BATCH = 500


class _ToSink(HTTPAdapter):
    def __init__(self, sink: str) -> None:
        super().__init__()
        self._sink = sink

    def send(self, request: PreparedRequest, *arguments: Any, **more: Any) -> Response:  # noqa: ANN401  # as requests has it
        request.url = self._sink + request.path_url
        return super().send(request, *arguments, **more)


def _official(sink: str) -> CustomerIO:
    official = CustomerIO("s", "k", retries=0)
    official.http.mount("https://", _ToSink(sink))
    return official


def one_by_one(sink: str, count: int) -> float:
    """Events a second, one call an event."""
    made = list(events(count, count))
    official = _official(sink)
    begin = time.perf_counter()
    for event in made:
        official.track(event["distinct_id"], event["event"], event["properties"])
    return count / (time.perf_counter() - begin)


def batches(sink: str, count: int, people: int) -> float:
    """Events a second, 500 operations a call; who has attributes is identified first."""
    operations = list(_operations(count, people))
    official = _official(sink)
    begin = time.perf_counter()
    for first in range(0, len(operations), BATCH):
        official.batch(operations[first : first + BATCH])
    return count / (time.perf_counter() - begin)


def _operations(count: int, people: int) -> Iterator[dict[str, object]]:
    for event in islice(events(count, people), count):
        properties = dict(event["properties"])  # type: ignore[call-overload]  # a dict, as traffic makes them
        person = {"type": "person", "identifiers": {"id": event["distinct_id"]}}
        attributes = properties.pop("$set", None)
        if attributes:
            yield {**person, "action": "identify", "attributes": attributes}
        yield {**person, "action": "event", "name": event["event"], "attributes": properties}
