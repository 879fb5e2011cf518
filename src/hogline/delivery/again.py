"""What is sent again: dead letters that somebody wants retried, a replay from the journal, what is due for somebody.
Bookkeeping only; all of it travels through the lanes.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from hogline.delivery.lanes import Item, Source
from hogline.model import Event, Person
from hogline.store.base import Replay


class Again:
    """Which dead letters are on their way, and how far the replay has come."""

    def __init__(self) -> None:
        self._retrying: set[int] = set()
        self._due: set[str] = set()
        self._replayed: dict[int, None] = {}
        self.replay: Replay | None = None
        self._read = 0

    def new_retries(self, positions: Iterable[int]) -> set[int]:
        """Those that are not on their way yet; from now on they are."""
        new = set(positions) - self._retrying
        self._retrying |= new
        return new

    def new_due(self, due: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those, with their times, for whom nothing is on its way yet; from now on there is."""
        new = [(distinct_id, at_ms) for distinct_id, at_ms in due if distinct_id not in self._due]
        self._due.update(distinct_id for distinct_id, _ in new)
        return new

    def begin(self, replay: Replay) -> None:
        self.replay = replay
        self._read = replay.settled

    def replaying(self, positions: Iterable[int], read: int) -> None:
        """These are on their way; everything up to `read` was looked at."""
        self._replayed.update(dict.fromkeys(positions))
        self._read = read

    @property
    def read(self) -> int:
        return self._read

    def ended(self, items: Iterable[Item]) -> int | None:
        """These were sent again and are about to be settled; returns how far the replay is then."""
        if self.replay is None:
            return None
        for item in items:
            if item.source is Source.REPLAY:
                self._replayed.pop(item.position, None)
        return next(iter(self._replayed), self._read + 1) - 1

    def kept(self, items: Iterable[Item], replay_settled: int | None) -> None:
        """Their settlement is on disk. Only from now on does the state no longer name them: whoever looks into it
        before must not find them new.
        """
        if self._due:
            self._due.difference_update(item.distinct_id for item in items if item.source is Source.DUE)
        if self._retrying:
            self._retrying.difference_update(item.position for item in items if item.source is Source.RETRY)
        if self.replay is not None and replay_settled is not None and replay_settled >= self.replay.last:
            self.replay = None


def another_chance(person: Person | None, event: Event) -> Person | None:
    """The person for whom a dead letter of this event is planned: values that were refused, and that the event
    names, are to be sent once more. A later event's value of the same name stands in their place already, so
    nothing older comes back.
    """
    if person is None:
        return None
    again = {name: value for name, value in person.refused.items() if name in event.set or name in event.unset}
    refused = {name: value for name, value in person.refused.items() if name not in again}
    return replace(person, refused=refused, unsent={**again, **person.unsent}, relationships=())


def asks_again(person: Person, event: Event) -> Person:
    """The person for whom an event is planned that says the email which was somebody else's: it may be free now."""
    email = event.set.get("email")
    if not isinstance(email, str) or email.strip().lower() != person.taken_email:
        return person
    refused = {name: value for name, value in person.refused.items() if name != "email"}
    again = {"email": person.refused["email"]} if "email" in person.refused else {}
    return replace(person, taken_email=None, refused=refused, unsent={**again, **person.unsent})
