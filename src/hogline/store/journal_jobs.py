"""What a journal's writing thread is asked to do. Those that arrive at the same time share one commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from hogline.store.backfilled import Taken


class Append(NamedTuple):
    events: Sequence[bytes]
    refused: Mapping[str, int]
    received_ms: int
    taken: Taken | None
    positions: Mapping[int, int]


class Trim(NamedTuple):
    last: int


class Empty(NamedTuple):
    first: int
    last: int


class Rewrite(NamedTuple):
    bodies: Mapping[int, bytes]


class DropRuns(NamedTuple):
    runs: Collection[int]


JournalJob: TypeAlias = Append | Trim | Empty | Rewrite | DropRuns
