"""How many uuids fit in one log line, so that lines stay readable and none is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

UUIDS_A_LINE = 20


def in_lines(uuids: Iterable[str]) -> Iterator[list[str]]:
    """All of them, at most 20 at a time."""
    rest = iter(uuids)
    while line := list(islice(rest, UUIDS_A_LINE)):
        yield line
