"""Which event has which uuid: the last half a million of them, and what becomes of one that came before.

posthog-react-native 3.1.1 gives one uuid to several events. PostHog and Customer.io take the second for a repeat of the
first and drop it. Knows no disk: after a restart, the caller provides earlier uuids.
"""

from __future__ import annotations

from array import array
from enum import Enum

from msgspec.structs import replace

from hogline.posthog.entry import encode_entry
from hogline.posthog.identity import uuid_of
from hogline.posthog.received import Received
from hogline.posthog.repair import note

UUID_REUSED = "uuid_reused"
REPEATED = "repeated"

WINDOW = 500_000
"""At least so many uuids are known, and at most twice as many, in about 25 MB."""


class Seen(Enum):
    NEW = "new"
    REPEATED = "repeated"
    REUSED = "reused"


class Uuids:
    """The events that uuids belong to: of each the first that had it, as long as it is known."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._newer, self._older = _Table(), _Table()
        self._lost: set[int] = set()

    def see(self, uuid: str, name: str, distinct_id: str) -> Seen:
        """What an event of this uuid is; a new one is known from now on."""
        # Python's hashes are keyed anew in each process: nobody can make uuids collide here.
        key, owner = _key(uuid), hash((name, distinct_id))
        if self._lost and key in self._lost:
            self._lost.discard(key)
            self._newer.put(key, owner, replaces=True)
            return Seen.NEW
        before = self._older.get(key)
        known = self._newer.put(key, owner if before is None else before)
        if known is None:
            known = before
            if self._newer.count >= self._window:
                self._newer, self._older = _Table(), self._newer
        if known is None:
            return Seen.NEW
        return Seen.REPEATED if known == owner else Seen.REUSED

    def lose(self, uuid: str) -> None:
        """A new event was not kept after all: the next event with this uuid is new."""
        if len(self._lost) < self._window:
            self._lost.add(_key(uuid))


def _key(uuid: str) -> int:
    return hash(uuid) or 1


class _Table:
    """Hashes by hashes, sixteen bytes each: a dictionary of them takes ten times as much."""

    def __init__(self) -> None:
        self.count = 0
        self._mask = 0x3FF
        self._keys = array("q", bytes(8 * 0x400))
        self._values = array("q", bytes(8 * 0x400))

    def get(self, key: int) -> int | None:
        keys, mask = self._keys, self._mask
        slot = key & mask
        while (found := keys[slot]) != key:
            if not found:
                return None
            slot = (slot + 1) & mask
        return self._values[slot]

    def put(self, key: int, value: int, *, replaces: bool = False) -> int | None:
        """Returns what the key had before, which stays unless this `replaces` it. The key must not be 0."""
        keys, values, mask = self._keys, self._values, self._mask
        slot = key & mask
        while found := keys[slot]:
            if found == key:
                known = values[slot]
                if replaces:
                    values[slot] = value
                return known
            slot = (slot + 1) & mask
        keys[slot], values[slot] = key, value
        self.count += 1
        if 2 * self.count > mask:
            self._grow()
        return None

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        size = 4 * len(keys)
        self.count, self._mask = 0, size - 1
        self._keys, self._values = array("q", bytes(8 * size)), array("q", bytes(8 * size))
        for key, value in zip(keys, values, strict=True):
            if key:
                self.put(key, value)


def told_apart(received: Received, uuids: Uuids) -> Received:
    """The event with a unique uuid; a repeat stays a repeat. The event records which it is."""
    event = received.entry
    seen = uuids.see(event.uuid, event.name, event.distinct_id)
    return received if seen is Seen.NEW else marked(received, seen, uuids)


def marked(received: Received, seen: Seen, uuids: Uuids) -> Received:
    """An event whose uuid came before."""
    event = received.entry
    reasons = list(event.repaired)
    uuid = event.uuid
    if seen is Seen.REUSED:
        note(reasons, UUID_REUSED)
        uuid = uuid_of(uuid.encode(), event.name.encode(), event.distinct_id.encode())
        seen = uuids.see(uuid, event.name, event.distinct_id)
    if seen is not Seen.NEW:
        note(reasons, REPEATED)
    event = replace(event, uuid=uuid, repaired=tuple(reasons))
    return Received(event, encode_entry(event), received.below_ms_us)
