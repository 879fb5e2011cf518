"""What a process reads that delivers a part of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from desk_bench import event

from hogline.core.known import Flush, Id, Person
from hogline.core.sheets import JOINS, Sheet
from hogline.delivery.folder import Folder
from hogline.delivery.part import Part
from hogline.delivery.portions import Follower, OfFolder
from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.store.base import Unwritable
from hogline.store.forgetting import NOBODY
from hogline.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


class Disk:
    """The store, as other processes leave it."""

    suppressed = NOBODY

    def __init__(self, *events: Event) -> None:
        self.bodies = [encode_event(one) for one in events]
        self.there: list[Sheet] = []
        self.joined: dict[str, Id] = {}
        self.people_: dict[str, Person] = {}
        self.read_to = len(events)
        self.reads: list[int] = []
        """The positions of events that were read."""
        self.flushed: list[Flush] = []
        self.full = False

    @property
    def end(self) -> int:
        return len(self.bodies)

    def ids(self, ids: Sequence[str]) -> dict[str, Id]:
        return {one: self.joined[one] for one in ids if one in self.joined}

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        return {one: self.people_[one] for one in ids if one in self.people_}

    def folded(self) -> int:
        return self.read_to

    async def flush(self, flush: Flush) -> None:
        if self.full:
            raise Unwritable("the disk is full")
        self.flushed.append(flush)

    async def sheets(self, after: int, most: int) -> Sequence[Sheet]:
        return [one for one in self.there if one.last > after][:most]

    async def events_at(self, positions: Sequence[int], most_bytes: int) -> list[tuple[int, bytes]]:
        return self._read([one for one in positions if one <= self.end], most_bytes)

    async def read(self, after: int, limit: int, most_bytes: int) -> list[tuple[int, bytes]]:
        return self._read(range(after + 1, min(after + limit, self.end) + 1), most_bytes)

    def _read(self, positions: Sequence[int], most_bytes: int) -> list[tuple[int, bytes]]:
        taken, found = 0, list[tuple[int, bytes]]()
        for position in positions:
            taken += len(self.bodies[position - 1])
            if found and taken > most_bytes:
                break
            found.append((position, self.bodies[position - 1]))
        self.reads += [position for position, _ in found]
        return found


def joins(who: str, other: str) -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": other})


def following(disk: Any) -> Follower:
    return Follower(disk, disk, Part([0], disk, 2), ManualClock())


@pytest.fixture
def disk() -> Disk:
    """Ada's lane is 0, everyone else's is 1."""
    disk = Disk(event(distinct_id="ada"), event(distinct_id="bob"), joins("bob", "v1"), event(distinct_id="ada"))
    disk.there = [Sheet(1, bytes([0, 1, 1 | JOINS, 0]), {3: 0})]
    return disk


async def test_a_process_reads_the_events_of_its_lanes_and_all_joins(disk: Disk) -> None:
    received, portion = await following(disk).read(0, 100)
    assert disk.reads == [position for position, _, _ in received] == [1, 3, 4]
    assert portion is not None
    assert (portion.to, portion.lanes) == (4, {1: 0, 3: 1, 4: 0})


async def test_beside_the_folder_joins_of_others_are_known(disk: Any) -> None:
    reader = OfFolder(Folder(disk, disk, ManualClock()), Part([0], disk, 2))
    received, _ = await reader.read(0, 100)
    assert disk.reads == [position for position, _, _ in received] == [1, 4]


async def test_the_folder_writes_sheets_with_what_it_knows(disk: Any) -> None:
    disk.read_to, disk.full = 0, True
    folder = Folder(disk, disk, ManualClock(), spreads=True)
    await folder.step()
    with pytest.raises(Unwritable):
        await folder.flush()
    disk.full = False
    await folder.flush()
    disk.bodies += disk.bodies
    await folder.step()
    await folder.flush()
    assert [[(one.first, one.last) for one in flush.sheets] for flush in disk.flushed] == [[(1, 4)], [(1, 8)]]
    assert [flush.folded for flush in disk.flushed] == [4, 8]


async def test_nobody_writes_sheets_where_nobody_else_can_deliver(disk: Any) -> None:
    disk.read_to = 0
    folder = Folder(disk, disk, ManualClock())
    await folder.step()
    await folder.flush()
    assert [flush.sheets for flush in disk.flushed] == [()]


async def test_without_sheets_a_process_reads_everything(disk: Any) -> None:
    disk.there = []
    reader = OfFolder(Folder(disk, disk, ManualClock()), Part([0], disk, 2))
    for each in (following(disk), reader):
        received, portion = await each.read(1, 100)
        assert ([position for position, _, _ in received], portion) == ([2, 3, 4], None)


async def test_nothing_is_read_that_is_not_known_on_disk(disk: Disk) -> None:
    disk.read_to = 2
    for sheets in (disk.there, []):
        disk.there = sheets
        received, _ = await following(disk).read(0, 100)
        assert received[-1][0] <= 2


async def test_a_portion_ends_with_what_fits_in_one_read(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hogline.delivery.portions.READ_BYTES", 1)
    received, portion = await following(disk).read(0, 100)
    assert len(received) == 1
    assert portion is not None
    assert portion.to == 1


async def test_of_trimmed_events_nothing_is_read(disk: Disk) -> None:
    disk.bodies = []
    received, portion = await following(disk).read(0, 100)
    assert received == []
    assert portion is not None
    assert portion.to == 4


async def test_a_join_of_others_is_heard(disk: Disk) -> None:
    """The visitor may come into one of these lanes later, by an event that does not name them."""
    disk.read_to = 2
    follower = following(disk)
    await follower.read(0, 100)
    assert follower.known.who("v1") == "v1"
    disk.read_to, disk.joined = 4, {"v1": Id("bob", 3), "bob": Id(None, 0, 1, ((3, "bob"),))}
    await follower.wait(2)
    await follower.read(2, 100)
    assert follower.known.who("v1") == "bob"


async def test_what_an_event_taught_is_known_when_it_is_read(disk: Disk) -> None:
    disk.bodies[3] = encode_event(event(distinct_id="ada", set={"plan": "a"}))
    disk.read_to = 1
    follower = following(disk)
    await follower.read(0, 100)
    assert follower.known.person("ada").version == 0
    disk.read_to, disk.people_ = 4, {"ada": Person("ada", version=4)}
    await follower.wait(1)
    await follower.read(1, 100)
    assert follower.known.person("ada").version == 4


async def test_a_process_waits_until_everything_that_was_there_is_known(disk: Disk) -> None:
    disk.read_to = 3
    follower = following(disk)
    waits = asyncio.ensure_future(follower.wait(1))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waits.done()
    disk.read_to = 4
    clock: Any = follower._clock
    await clock.advance(1)
    await waits
