"""What another process has taught is read again, in few steps."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.core.known import Id, Known, Person


class Disk:
    def __init__(self) -> None:
        self.there: dict[str, Person] = {}
        self.joined: dict[str, Id] = {}
        self.reads = 0

    def ids(self, ids: Sequence[str]) -> dict[str, Id]:
        self.reads += 1
        return {one: self.joined[one] for one in ids if one in self.joined}

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        self.reads += 1
        return {one: self.there[one] for one in ids if one in self.there}

    def members(self, id_: str) -> list[str]:
        return [one for one, value in self.joined.items() if value.parent == id_]


def test_people_in_memory_are_as_another_process_wrote_them() -> None:
    disk, who = Disk(), [f"user-{n}" for n in range(50)]
    known = Known(disk, 0)
    known.load(who)
    disk.there = {one: Person(one, version=7) for one in who}
    disk.joined = {"visitor": Id(parent="user-1", since=5), "user-1": Id(depth=1)}
    known.outdated([*who, "visitor"])
    before = disk.reads
    assert [known.person(one).version for one in who] == [7] * 50
    assert known.who("visitor") == "user-1"
    assert disk.reads - before <= 1  # the visitor, who was not in memory
    assert before <= 8
