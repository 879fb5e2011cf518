"""What the sandbox holds and `hogline status` says after it, against what was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from urllib.request import urlopen

import msgspec
from msgspec import Struct

from bench.soak.traffic import REFUSED_NAME, VISITOR, Traffic, sets_attribute, which
from hogline.testing.processes import hogline

PAGE = 50_000


class _Data(Struct):
    n: int
    text: str


class _Owner(Struct):
    id: str


class _Seen(Struct):
    sequence: int
    ulid: str
    name: str
    data: _Data
    person: _Owner
    repeats: int
    altered: int


class _Attributed(Struct):
    sequence: int
    id: str | None
    attributes: dict[str, object]


class _Letter(Struct):
    uuid: str
    event: str


class _Failures(Struct):
    failures: list[_Letter]


class _Status(Struct):
    received: int
    delivered: int
    filtered: dict[str, int]
    held: int
    failures: dict[str, int]
    pending: int
    requests: int
    retries: dict[str, int]


class _Connections(Struct):
    connections: list[_Status]


class Verdict(Struct, frozen=True, kw_only=True):
    """All but the first group must be 0, and `adds_up` true."""

    sent: int
    """Events, each of which was answered with 2xx at last."""
    at_customerio: int
    refused: int
    """Different events that became failures, as the sandbox's script wants it."""
    received: int
    """By Hogline: with those that were answered too late for the sender, and came again."""
    delivered: int
    failures: int
    requests: int
    retries: dict[str, int]
    repeats: int
    """Events that the sandbox recognised by their ULID."""

    missing: int
    twice: int
    unknown: int
    inversions: int
    """Neighbours among a person's first acceptances that are in the wrong order."""
    wrong_content: int
    altered: int
    """Repeats that said something else than the first."""
    old_attributes: int
    """People whose attribute is not what was sent last."""
    wrongly_refused: int
    """Failures without a rejection, or rejections without a failure."""
    strangers: int
    """Customers who are nobody who was sent: visitors who signed up, for example."""
    adds_up: bool

    @property
    def good(self) -> bool:
        wrong = (
            self.missing, self.twice, self.unknown, self.inversions, self.wrong_content, self.altered,
            self.old_attributes, self.wrongly_refused, self.strangers,
        )  # fmt: skip
        return self.adds_up and not any(wrong)


class _Found:
    """What the sandbox accepted, event by event."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self.numbers: dict[int, list[int]] = defaultdict(list)
        """Of each person's events, in the order of their first acceptance."""
        self.unknown = self.wrong_content = self.altered = self.repeats = 0

    def note(self, seen: _Seen) -> None:
        person, n = which(seen.ulid)
        traffic = self._traffic
        self.altered += seen.altered
        self.repeats += seen.repeats
        if person not in range(traffic.people) or n not in range(traffic.events_each):
            self.unknown += 1
            return
        self.numbers[person].append(n)
        as_sent = seen.data.n == n and seen.data.text == traffic.text(person, n)
        self.wrong_content += not as_sent or seen.person.id != f"user-{person}"


def judge(traffic: Traffic, url: str, data: Path) -> Verdict:
    found = _Found(traffic)
    for seen in _pages(f"{url}/sandbox/events", _Seen):
        found.note(seen)
    latest = {person.id: person.attributes.get("latest") for person in _pages(f"{url}/sandbox/people", _Attributed)}
    dead = _failures(data)
    status = msgspec.json.decode(hogline(data, "status", "--json").stdout, type=_Connections).connections[0]
    numbers = {person: found.numbers.get(person, []) for person in range(traffic.people)}
    wanted = {
        person: {n for n in range(traffic.events_each) if not traffic.is_refused(person, n)} for person in numbers
    }
    to_refuse = traffic.events - sum(map(len, wanted.values()))
    last = max(n for n in range(traffic.events_each) if sets_attribute(n))
    settled = status.delivered + sum(status.filtered.values()) + status.held + sum(status.failures.values())
    return Verdict(
        sent=traffic.events,
        at_customerio=sum(map(len, numbers.values())),
        refused=len({letter.uuid for letter in dead}),
        received=status.received,
        delivered=status.delivered,
        failures=len(dead),
        requests=status.requests,
        retries=status.retries,
        repeats=found.repeats,
        missing=sum(len(wanted[person] - set(numbers[person])) for person in numbers),
        twice=sum(len(ns) - len(set(ns)) for ns in numbers.values()),
        unknown=found.unknown,
        inversions=sum(before > after for ns in numbers.values() for before, after in pairwise(ns)),
        wrong_content=found.wrong_content,
        altered=found.altered,
        old_attributes=sum(latest.get(f"user-{person}") != last for person in numbers),
        wrongly_refused=abs(len({letter.uuid for letter in dead}) - to_refuse)
        + sum(letter.event != REFUSED_NAME for letter in dead)
        + sum(len(set(numbers[person]) - wanted[person]) for person in numbers),
        strangers=len(latest.keys() - {f"user-{person}" for person in numbers}),
        adds_up=status.received == settled + status.pending
        and not status.pending
        and status.received >= traffic.events
        and len(dead) == sum(status.failures.values())
        and status.received == status.delivered + len(dead),
    )


def visitors(url: str) -> int:
    """How many customers of the sandbox are visitors."""
    return sum((one.id or "").startswith(VISITOR) for one in _pages(f"{url}/sandbox/people", _Attributed))


def _failures(data: Path) -> list[_Letter]:
    listed = hogline(data, "failures", "customerio", "--limit", "1000000", "--json").stdout
    return msgspec.json.decode(listed, type=_Failures).failures


SeenT = TypeVar("SeenT", _Seen, _Attributed)


def _pages(url: str, kind: type[SeenT]) -> Iterator[SeenT]:
    """Everything that is listed there."""
    after = 0
    while True:
        with urlopen(f"{url}?limit={PAGE}&after={after}", timeout=60) as answer:  # loopback
            page: list[SeenT] = msgspec.json.decode(answer.read(), type=list[kind])  # type: ignore[valid-type]
        if not page:
            return
        yield from page
        after = page[-1].sequence
