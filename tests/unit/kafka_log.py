"""A Kafka in memory, for the tests of who reads it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from threading import Event
from typing import Any
from uuid import UUID

from hogline.sources.kafka.library import Settings
from hogline.sources.kafka.log import Described, End, Ends, Moved, Record, Seen, Trouble


def row(number: int, **more: object) -> bytes:
    fields: dict[str, Any] = {
        "uuid": str(UUID(int=0x0199F3A0 << 96 | number)),
        "event": "ordered",
        "properties": json.dumps({"n": number}),
        "timestamp": "2026-11-01 10:00:00.000",
        "team_id": 1,
        "distinct_id": f"user-{number}",
        "person_mode": "full",
    }
    return json.dumps(fields | more).encode()


class Kafka:
    """Implements `log.Log`, for all who open it. Each partition begins at an offset."""

    def __init__(self, partitions: int = 2) -> None:
        self.id = "first"
        self.first = dict.fromkeys(range(partitions), 0)
        self.records: dict[int, list[tuple[int, bytes | None]]] = {one: [] for one in range(partitions)}
        self.trouble: str | None = None
        self.may_read = True
        """Else it only says what there is."""
        self.may_find = Event()
        """A time. Whoever asks for one waits."""
        self.may_find.set()
        self.reading: dict[int, int] = {}
        self.ended: set[int] = set()
        self.paused: set[int] = set()
        self.noted: dict[int, int] = {}
        self.topic = "clickhouse_events_json"
        self.may_drop = True
        self.settings: Settings = {}
        self.opened = self.closed = 0

    def open(self, brokers: str, topic: str, settings: Settings) -> Kafka:
        assert (brokers, topic) == ("kafka:9092", self.topic)
        self.settings = settings
        self.opened += 1
        return self

    def write(self, partition: int, number: int, time_ms: int, **more: object) -> None:
        self.records[partition].append((time_ms, row(number, **more)))

    def trim(self, partition: int, before: int) -> None:
        self.records[partition] = self.records[partition][before - self.first[partition] :]
        self.first[partition] = before

    def next(self, partition: int) -> int:
        return self.first[partition] + len(self.records[partition])

    def look(self) -> Seen:
        if self.trouble is not None:
            raise Trouble(self.trouble)
        return Seen(self.id, self.first)

    def describe(self) -> Described:
        self.look()
        return Described(self.id, {one: Ends(first, self.next(one)) for one, first in self.first.items()})

    def offsets_at(self, time_ms: int) -> dict[int, int]:
        assert self.may_find.wait(20)
        return {
            one: next((first + n for n, (at, _) in enumerate(self.records[one]) if at >= time_ms), self.next(one))
            for one, first in self.first.items()
        }

    def read_from(self, offsets: Mapping[int, int]) -> None:
        self.reading, self.ended, self.paused = dict(offsets), set(), set()

    def read(self, most: int, within_s: float) -> Iterable[Record | End]:
        del within_s
        if not self.may_read:
            raise Trouble("Kafka does not allow it.")
        found: list[Record | End] = []
        for partition, offset in self.reading.items():
            if not self.first[partition] <= offset <= self.next(partition):
                raise Moved
            if partition in self.paused:
                continue
            some = self.records[partition][offset - self.first[partition] :][:most]
            found += [Record(partition, offset + n, at, value) for n, (at, value) in enumerate(some)]
            self.reading[partition] += len(some)
            if some:
                self.ended.discard(partition)
            elif partition not in self.ended:
                self.ended.add(partition)
                found.append(End(partition))
        return found

    def pause(self, partitions: Collection[int]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self.paused -= set(partitions)

    def behind(self, offsets: Mapping[int, int]) -> int:
        return sum(max(self.next(one) - offset, 0) for one, offset in offsets.items())

    def note(self, offsets: Mapping[int, int]) -> None:
        self.noted = dict(offsets)

    def drop(self, offsets: Mapping[int, int]) -> None:
        if not self.may_drop:
            raise Trouble("Kafka does not allow it.")
        for partition, before in offsets.items():
            self.trim(partition, before)

    def put(self, time_ms: int, value: bytes | None) -> None:
        """Into the first partition."""
        self.records[0].append((time_ms, value))

    def close(self) -> None:
        self.closed += 1
