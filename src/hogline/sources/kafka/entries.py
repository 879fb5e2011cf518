"""Records of the topic into which Hogline's own receivers put events (`writer`): entries as the journal keeps them, and
counts of what was refused, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from hogline.posthog.entry import decode_entry
from hogline.posthog.received import Batch, Received
from hogline.sources.kafka.log import Record
from hogline.sources.kafka.rows import Bad

NOT_OURS = "No receiver of Hogline wrote this record."
REASON = "not_an_event"

_counts = msgspec.json.Decoder(dict[str, int]).decode


class Entries:
    """What some records say; as `Rows`."""

    others = 0

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.refused: Counter[str] = Counter()
        self.bad: list[Bad] = []

    def read(self, records: Iterable[Record], _received_ms: int) -> None:
        for record in records:
            value = record.value or b""
            try:
                if value.startswith(b"{"):  # no entry does
                    self.refused.update(_counts(value))
                else:
                    self.received.append(Received(decode_entry(value), value))
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.refused[REASON] += 1
                self.bad.append(Bad(record.partition, record.offset, NOT_OURS))

    @property
    def batch(self) -> Batch:
        return Batch(self.received, dict(self.refused))
