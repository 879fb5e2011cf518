"""Events whose whole content follows from the person and a number, and the senders that send each until it is
answered with 200.

An event's uuid says whose it is and which one, so its ULID at Customer.io says it too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct

START_S = 1_793_000_000
BATCH = 50
_ALPHABET = {character: value for value, character in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
REFUSED_NAME = "refused"
VISITOR = "0190d3a5-7c1e-7d2a-9b1a-"
"""What all ids of visitors begin with."""


class Traffic(Struct, frozen=True, kw_only=True):
    people: int
    events_each: int
    batches: float = 0.3
    """So many of the requests are batches of 50, the others webhooks of one event."""
    per_s: float | None = None
    """Events that are sent in a second; None: as many as are answered."""
    text_bytes: int = 20
    refused: bool = False
    """One event of twenty has a name for the sandbox to refuse."""
    visits: int = 0
    """So many of each person's first events are an anonymous visitor's. With the next one, the visitor signs up."""

    @property
    def events(self) -> int:
        return self.people * self.events_each

    def is_refused(self, person: int, n: int) -> bool:
        return self.refused and (person * 7 + n) % 20 == 11

    def event(self, person: int, n: int) -> dict[str, object]:
        properties: dict[str, object] = {"n": n, "text": self.text(person, n)}
        if sets_attribute(n):
            properties["$set"] = {"latest": n}
        signs_up, visitor = self.visits and n == self.visits, f"{VISITOR}{person:012d}"
        if signs_up:
            properties["$anon_distinct_id"] = visitor
        return {
            "event": REFUSED_NAME if self.is_refused(person, n) else "$identify" if signs_up else "clicked",
            "distinct_id": visitor if n < self.visits else f"user-{person}",
            "uuid": str(UUID(int=person + 1 << 64 | n)),
            "timestamp": _iso(START_S + n),
            "properties": properties,
        }

    def text(self, person: int, n: int) -> str:
        return f"{person}/{n} ".ljust(self.text_bytes, "x")


def sets_attribute(n: int) -> bool:
    """Whether a person's n-th event carries its number as an attribute: its first and every tenth."""
    return n % 10 == 0


def which(ulid: str) -> tuple[int, int]:
    """Person and number of the event with this ULID."""
    number = 0
    for character in ulid:
        number = number << 5 | _ALPHABET[character]
    return (number >> 64) - 1, number & (2**64 - 1)


def _iso(seconds: int) -> str:
    minutes, second = divmod(seconds - START_S, 60)
    hour, minute = divmod(minutes, 60)
    return f"2026-10-26T{hour:02}:{minute:02}:{second:02}Z"


class Target:
    """Where Hogline receives now; None while it is down."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.url: str | None = None


class Sender(threading.Thread):
    """Sends its people's events, each person's in order, one request after the other."""

    def __init__(self, traffic: Traffic, number: int, senders: int, target: Target, source: Random) -> None:
        super().__init__(daemon=True, name=f"sender-{number}")
        self._traffic = traffic
        self._people = list(range(number, traffic.people, senders))
        self._sent = dict.fromkeys(self._people, 0)
        self._target = target
        self._source = source
        self._pause_s = senders / traffic.per_s if traffic.per_s else 0.0
        self._connection: HTTPConnection | None = None
        self._url: str | None = None
        self.stop = threading.Event()
        self.answered = 0
        """Events that were answered with 200."""
        self.unanswered = 0
        """Requests that were sent again because no answer came."""
        self.wrong: str | None = None
        """Why it gave up."""

    def run(self) -> None:
        while self._people and not self.stop.is_set() and self.wrong is None:
            batch = self._source.random() < self._traffic.batches
            events = list(self._next(BATCH if batch else 1))
            path, value = (
                ("/batch/", {"api_key": self._target.token, "batch": events}) if batch else ("/webhook", events[0])
            )
            self._send(path, msgspec.json.encode(value))
            self.answered += len(events)
            self.stop.wait(self._pause_s * len(events))
        self._disconnect()

    def _next(self, most: int) -> Iterator[dict[str, object]]:
        while self._people and most:
            index = self._source.randrange(len(self._people))
            person = self._people[index]
            yield self._traffic.event(person, self._sent[person])
            most -= 1
            self._sent[person] += 1
            if self._sent[person] == self._traffic.events_each:
                self._people[index] = self._people[-1]
                self._people.pop()

    def _send(self, path: str, body: bytes) -> None:
        """Until it is answered: a crash takes the answer away, not the event."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._target.token}"}
        while not self.stop.is_set():
            try:
                connection = self._connected()
                if connection is None:
                    self.stop.wait(0.005)
                    continue
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                self.unanswered += 1
                self._disconnect()
                self.stop.wait(0.005)
                continue
            if answer.status == 200:
                return
            if answer.status != 503:
                self.wrong = f"{path} was answered with {answer.status}"
                return

    def _connected(self) -> HTTPConnection | None:
        url = self._target.url
        if url is None:
            return None
        if self._connection is None or url != self._url:
            self._disconnect()
            parts = urlsplit(url)
            self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
            self._url = url
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
