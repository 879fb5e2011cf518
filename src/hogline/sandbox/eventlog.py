"""The events of one workspace in the order in which they arrived, each ULID once; bounded.

Knows people only as whose an event is, and nothing of JSON or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from hogline.sandbox.people import Person, survivor

ANONYMOUS_KEPT_S = 30 * 86_400
"""So long, from its arrival, an anonymous event waits for its person."""
ANONYMOUS_LATE_S = 300
"""So long after joining, anonymous events that come late still become the person's."""


class Event(Struct, gc=False, eq=False):
    """The first arrival of an event; `repeats` counts the ones that were ignored."""

    sequence: int
    """Place in the order of arrival within the workspace, from 1."""
    ulid: str | None
    type: str
    name: str
    timestamp: int
    received_at: float
    data: bytes | None
    """JSON text of an object; None once it was given up for newer events'."""
    person: Person | None
    """Whose it was on arrival; `owner` says whose it is now."""
    anonymous_id: str | None = None
    repeats: int = 0
    content: int = 0
    """Hash of type, name, timestamp and data, which outlives the data."""
    altered: int = 0
    """Of the repeats, those whose content was another."""

    def owner(self) -> Person | None:
        return None if self.person is None else survivor(self.person)


class EventLog:
    """At most `kept_events` events and `kept_bytes` of data in full, `remembered_events` at all."""

    def __init__(self, kept_events: int, kept_bytes: int, remembered_events: int) -> None:
        self._kept_events = kept_events
        self._kept_bytes = kept_bytes
        self._remembered_events = remembered_events
        self._events: list[Event] = []
        self._ulids: dict[str, Event] = {}
        self._anonymous: dict[str, list[Event]] = {}
        self._joined: dict[str, tuple[Person, float]] = {}
        self._with_data = 0
        """Index of the oldest event that still has its data."""
        self._bytes = 0
        self._sequence = 0
        self.repeats = 0
        self.altered = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def accepted(self) -> int:
        """How many events were ever accepted, repeats not counted."""
        return self._sequence

    def after(self, sequence: int) -> Iterator[Event]:
        """The remembered events that arrived after this one, oldest first."""
        first = self._sequence - len(self._events) + 1
        for index in range(max(0, sequence + 1 - first), len(self._events)):
            yield self._events[index]

    def newest(self, limit: int) -> Iterator[Event]:
        """The last ones that arrived, newest first."""
        for index in range(len(self._events) - 1, max(-1, len(self._events) - 1 - limit), -1):
            yield self._events[index]

    def is_repeat(self, ulid: str, kind: str, name: str, timestamp: int | None, data: bytes) -> bool:
        """Whether an event of this ULID is here already; counts the repeat, and whether it says something else."""
        event = self._ulids.get(ulid)
        if event is None:
            return False
        event.repeats += 1
        self.repeats += 1
        # Without a timestamp it means the time of its arrival, which is never the same.
        if hash((kind, name, event.timestamp if timestamp is None else timestamp, data)) != event.content:
            event.altered += 1
            self.altered += 1
        return True

    def add(
        self,
        *,
        ulid: str | None,
        kind: str,
        name: str,
        timestamp: int,
        received_at: float,
        data: bytes,
        person: Person | None,
        anonymous_id: str | None = None,
    ) -> None:
        """Keep an event whose ULID is not known yet."""
        self._sequence += 1
        event = Event(self._sequence, ulid, kind, name, timestamp, received_at, data, person, anonymous_id)
        event.content = hash((kind, name, timestamp, data))
        self._events.append(event)
        if ulid is not None:
            self._ulids[ulid] = event
        if person is not None:
            person.events += 1
        elif anonymous_id is not None:
            self._await_person(event, anonymous_id)
        self._bytes += len(data)
        if self._bytes > self._kept_bytes or len(self._events) - self._with_data > self._kept_events:
            self._give_up_data()
        if len(self._events) > self._remembered_events:
            self._forget()

    def join(self, anonymous_id: str, person: Person, now: float) -> None:
        """Give a person what was sent under an anonymous id. An id can be used once."""
        if anonymous_id in self._joined:
            return
        self._joined[anonymous_id] = (person, now)
        for event in self._anonymous.pop(anonymous_id, ()):
            if event.received_at >= now - ANONYMOUS_KEPT_S:
                event.person = person
                person.events += 1

    def _await_person(self, event: Event, anonymous_id: str) -> None:
        joined = self._joined.get(anonymous_id)
        if joined is None:
            self._anonymous.setdefault(anonymous_id, []).append(event)
            return
        person, joined_at = joined
        owner = survivor(person)
        if event.received_at <= joined_at + ANONYMOUS_LATE_S and owner.gone is None:
            event.person = owner
            owner.events += 1

    def _give_up_data(self) -> None:
        while (
            self._bytes > self._kept_bytes or len(self._events) - self._with_data > self._kept_events
        ) and self._with_data < len(self._events):
            oldest = self._events[self._with_data]
            self._bytes -= len(oldest.data or b"")
            oldest.data = None
            self._with_data += 1

    def _forget(self) -> None:
        """Removes a tenth in one go, because removing the head of a list copies the rest."""
        count = max(1, len(self._events) // 10)
        for event in self._events[:count]:
            self._bytes -= len(event.data or b"")
            if event.ulid is not None:
                self._ulids.pop(event.ulid, None)
            waiting = self._anonymous.get(event.anonymous_id) if event.anonymous_id is not None else None
            if waiting and waiting[0] is event:
                waiting.pop(0)
                if not waiting and event.anonymous_id is not None:
                    del self._anonymous[event.anonymous_id]
        del self._events[:count]
        self._with_data = max(0, self._with_data - count)
