"""The numbers under which a journal keeps how far a topic is read (`Journal.append`'s `positions`).

Each partition has two: its next offset, and the time of the last record that was taken. Sources count down from -1; the
numbers of their partitions are beyond all of theirs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_BITS = 40
_OWN = -(1 << 22)
"""Numbers of sources are above this one, except those of Hogline's own topics."""


class Position(NamedTuple):
    offset: int
    """The next one."""
    time_ms: int
    """When the last record that was taken was written; 0: none was."""


def own_run(topic: str) -> int:
    """The number of one of Hogline's own topics. It follows from the name: the position in the journal is found even if
    nothing else is known of the topic.
    """
    return _OWN - (zlib.crc32(topic.encode()) & 0xF_FFFF)


def next_run(had: Iterable[int]) -> int:
    """A number that no source had."""
    return min((run for run in had if 0 > run > _OWN), default=0) - 1


def numbers_of(run: int, partition: int) -> tuple[int, int]:
    """`run`: the source's own number, below 0."""
    first = (run << _BITS) - 2 * partition
    return first, first - 1


def run_of(number: int) -> int:
    """The source that a number belongs to; the number itself if it is a source's."""
    return number if number > -(1 << _BITS) else -((-number) >> _BITS)


def encoded(run: int, positions: Mapping[int, Position]) -> dict[int, int]:
    """By number, what the journal is to keep."""
    return {
        number: value
        for partition, position in positions.items()
        for number, value in zip(numbers_of(run, partition), position, strict=True)
    }


def read_positions(run: int, taken: Mapping[int, int], partitions: Iterable[int]) -> dict[int, Position]:
    """By partition, for those that were read before."""
    found = {}
    for partition in partitions:
        offset, time_ms = numbers_of(run, partition)
        if offset in taken:
            found[partition] = Position(taken[offset], taken.get(time_ms, 0))
    return found


def latest_ms(run: int, taken: Mapping[int, int]) -> int:
    """When the last record of all partitions of a source was written; 0: none was taken."""
    first, _ = numbers_of(run, 0)
    return max((taken[number] for number in all_numbers(run, taken) if (first - number) % 2), default=0)


def all_numbers(run: int, taken: Iterable[int]) -> list[int]:
    """Of the numbers that are kept, those of one source's partitions."""
    return [number for number in taken if number != run and run_of(number) == run]
