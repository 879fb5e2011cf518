"""A topic's log, as its reader needs it. Knows no client library.

A log has partitions; each record has an offset in its partition, and the time at which it was written. The oldest
records of a partition are deleted after a while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol


class Trouble(Exception):
    """Kafka cannot be read just now. The text is one sentence that says why, without secrets."""


class Moved(Exception):
    """What is to be read next is not there, or the log is another one: look at it again (`Log.describe`)."""


class Record(NamedTuple):
    partition: int
    offset: int
    time_ms: int
    """When it was written, by its writer's clock."""
    value: bytes | None


class End(NamedTuple):
    """There is nothing more in this partition for now."""

    partition: int


class Ends(NamedTuple):
    """What a partition has."""

    first: int
    next: int
    """The offset that its next record will get."""


class Seen(NamedTuple):
    id: str
    """Of the topic. One that is deleted and created again has another; empty if the broker tells none."""
    partitions: Collection[int]


class Described(NamedTuple):
    id: str
    """As in `Seen`."""
    partitions: Mapping[int, Ends]


class Log(Protocol):
    """All calls block. They come one at a time, from any thread. They raise `Trouble`; `Moved` where it is said."""

    def look(self) -> Seen:
        """Which topic it is now. Cheap enough to ask every few seconds."""
        ...

    def describe(self) -> Described: ...

    def offsets_at(self, time_ms: int) -> dict[int, int]:
        """For each partition, the offset of the first record written at this time or later; else its next one."""
        ...

    def read_from(self, offsets: Mapping[int, int]) -> None:
        """From now on, `read` gives the records of these partitions from these offsets on, even if they were paused."""
        ...

    def read(self, most: int, within_s: float) -> Iterable[Record | End]:
        """The next records, in order within each partition; none if there are none within that time. Raises `Moved`.
        After an error, `read_from` has to come first: what was read with it is lost. No other call loses anything.
        """
        ...

    def pause(self, partitions: Collection[int]) -> None:
        """Read nothing more of these partitions."""
        ...

    def resume(self, partitions: Collection[int]) -> None: ...

    def behind(self, offsets: Mapping[int, int]) -> int:
        """How many records the log has behind these offsets, as far as it is known without asking."""
        ...

    def note(self, offsets: Mapping[int, int]) -> None:
        """Tell Kafka how far this is read, for tools that show it. Nothing depends on it, so it may fail."""
        ...

    def drop(self, offsets: Mapping[int, int]) -> None:
        """Delete the records before these offsets, for everybody."""
        ...

    def close(self) -> None: ...
