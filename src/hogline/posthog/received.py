"""What reading comes to: an event with the bytes that are kept of it, or why there is none.

Knows the journal's encoding of an event (from `model`), nothing of the shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import msgspec
from msgspec import Struct

from hogline.model import Event
from hogline.posthog.entry import Entry, encode_entry, entry_of, event_of
from hogline.posthog.identity import NewUuid
from hogline.posthog.repair import repair
from hogline.posthog.weight import MOST_EVENT_BYTES, MOST_EVENT_VALUES, is_too_heavy


class Unreadable(Exception):
    """The sender's fault. The text says what is wrong and what to do, and quotes nothing of what was sent."""

    def __init__(self, sentence: str, status: Literal[400, 401, 413] = 400, reason: str = "unreadable") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status: Literal[400, 401, 413] = status
        self.reason = reason
        """A short word to count by."""


class Receipt(Struct, frozen=True):
    """When it came and by whom, and how an event without a uuid gets one."""

    received_ms: int
    new_uuid: NewUuid
    from_file: bool = False
    """It happened some time, not just now: without its time it is worth nothing."""
    public: bool = False
    """It came with the public token."""


class Received(Struct, frozen=True):
    """An event, in the two forms in which it travels."""

    entry: Entry
    body: bytes
    """As the journal keeps it."""
    below_ms_us: int = 0
    """Of an event in a file: microseconds of its time beyond the whole millisecond."""

    @property
    def event(self) -> Event:
        """With its data decoded: for anyone who looks at single ones."""
        return event_of(self.entry)


class Batch(Struct, frozen=True):
    """All that one body or line said."""

    received: Sequence[Received]
    refused: dict[str, int]
    """Events that cannot be kept, counted by reason."""
    problem: Unreadable | None = None
    """The first of them."""
    problems: Sequence[tuple[int, Unreadable]] = ()
    """All of them, each with the place of its event, counted from 1."""


class Collected:
    """Events and refusals on their way into a `Batch`."""

    __slots__ = ("_problems", "_received", "_refused")

    def __init__(self) -> None:
        self._received: list[Received] = []
        self._refused: dict[str, int] = {}
        self._problems: list[tuple[int, Unreadable]] = []

    def keep(self, event: Event, below_ms_us: int = 0) -> None:
        """Raises `Unreadable` for one that is too large."""
        received = encode_repaired(event)
        if below_ms_us:
            received = Received(received.entry, received.body, below_ms_us)
        if is_too_heavy(received.body, event):
            raise Unreadable(
                f"The event is too large. The limits are {MOST_EVENT_BYTES:,} bytes and {MOST_EVENT_VALUES:,} values.",
                413,
                "event_over_1_mb",
            )
        self._received.append(received)

    def refuse(self, problem: Unreadable) -> None:
        # Its traceback would keep the whole body, in a circle that only the collector finds.
        problem.__traceback__ = problem.__context__ = None
        place = len(self._received) + len(self._problems) + 1
        self._problems.append((place, problem))
        self._refused[problem.reason] = self._refused.get(problem.reason, 0) + 1

    def batch(self) -> Batch:
        first = self._problems[0][1] if self._problems else None
        return Batch(self._received, self._refused, first, self._problems)


def encode_repaired(event: Event) -> Received:
    """The event and its bytes. What MessagePack cannot hold (integers beyond 64 bits, lone surrogates) is
    repaired first and recorded in the event; ordinary events are not looked through."""
    try:
        return _received(entry_of(event))
    except (OverflowError, UnicodeEncodeError):
        reasons = list(event.repaired)
        fields = msgspec.structs.asdict(event)
        whole = {name: repair(fields[name], reasons) for name in ("name", "distinct_id", "elements_chain", "url")}
        values = {
            name: repair(fields[name], reasons) for name in ("properties", "set", "set_once", "person_properties")
        }
        unset = tuple(cast("str", repair(name, reasons)) for name in event.unset)
        event = msgspec.structs.replace(event, **whole, **values, unset=unset, repaired=tuple(reasons))
        return _received(entry_of(event))


def _received(entry: Entry) -> Received:
    return Received(entry, encode_entry(entry))
