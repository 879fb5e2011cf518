"""What a store must do: keep received events in order (the journal), and keep what became of them (the state).

The journal is only appended to, by what receives; the state is only written by what delivers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Unwritable(Exception):
    """The store cannot keep anything now; the text says why and is safe to show."""

    def __init__(self, sentence: str, retry_after_s: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Journal(Protocol):
    """The durable, ordered log of received events. Positions are 1, 2, 3, …, without gaps."""

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        """Keep events (as `model.encode_event` makes them) and count what was refused at the door.

        Returns the position of the last event once all of them are on disk, or the end as it is if there
        were none. Raises `Unwritable`.
        """
        ...
