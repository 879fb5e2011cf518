"""Rows of a topic as events: those of one project of PostHog, and why others cannot be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from hogline.posthog.json_text import read_file_line
from hogline.posthog.received import Batch, Received, Unreadable
from hogline.sources.kafka.log import Record

EMPTY = Unreadable("The record is empty.", reason="empty")


class Bad(Struct, frozen=True):
    """A record that holds no event, and why."""

    partition: int
    offset: int
    sentence: str


class Rows:
    """What some records say."""

    def __init__(self, project: int) -> None:
        self._project = project
        self.received: list[Received] = []
        self.refused: Counter[str] = Counter()
        """By reason."""
        self.others = 0
        """Rows of other projects."""
        self.bad: list[Bad] = []

    def read(self, records: Iterable[Record], received_ms: int) -> None:
        for record in records:
            value = record.value
            if value is not None and _is_of_another(value, self._project):
                self.others += 1
                continue
            try:
                if value is None:
                    raise EMPTY
                batch = read_file_line(value, record.offset, received_ms)
            except Unreadable as problem:
                self._refuse(record, problem)
                continue
            self.received += batch.received
            for _, why in batch.problems:
                self._refuse(record, why)

    def _refuse(self, record: Record, why: Unreadable) -> None:
        self.refused[why.reason] += 1
        self.bad.append(Bad(record.partition, record.offset, why.sentence))

    @property
    def batch(self) -> Batch:
        return Batch(self.received, dict(self.refused))


class _Team(Struct):
    team_id: int | str | None = None


_team = msgspec.json.Decoder(_Team)


def _is_of_another(value: bytes, project: int) -> bool:
    """A row without a project, or one that cannot be read, is of none."""
    try:
        team = _team.decode(value).team_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return team is not None and str(team) != str(project)
