"""Whoever reads by sheets gets its own events, and waits for the same as whoever reads everything."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

import pytest
from desk_bench import Life, event

from hogline.core import sheet_writer
from hogline.core.desk import Desk
from hogline.core.items import Item
from hogline.core.known import Known
from hogline.core.lanes import LANES, lane_of
from hogline.core.sheet_writer import SheetWriter
from hogline.core.sheets import JOINS, NOBODYS, Portion, Sheet, portion, wanted
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event
from hogline.posthog.entry import FORGOTTEN, decode_entry
from hogline.store.memory import MemoryStore

OPTIONS = CUSTOMERIO.read_options({"site_id": "site", "api_key": "key"})


def life(*events: Event) -> Life:
    its = Life(CUSTOMERIO, OPTIONS)
    its.feed(*events)
    return its


def joins(who: str, other: str) -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": other})


def sheets_of(its: Life, chance: Random | None = None) -> list[Sheet]:
    """As the folder writes them."""
    writer, at, on_disk = SheetWriter(Known(its.store, 0)), 0, dict[int, Sheet]()
    while at < len(its.journal):
        step = chance.randint(1, 9) if chance is not None else 1_000
        writer.add(its.journal[at : at + step])
        at += step
        sheets = writer.to_write()
        on_disk.update((one.first, one) for one in sheets)
        writer.written(sheets)
    return list(on_disk.values())


def part(its: Life, lanes: Collection[int]) -> Desk:
    return Desk(
        its.destination,
        its.options,
        connection=1,
        known=Known(its.store, 0),
        reads=MemoryStore(),
        start=0,
        lanes={},
        mine=lanes,
        start_s=0,
        suppressed=its.suppressed,
    )


def waiting(desk: Desk) -> list[Item]:
    return [item for lane in desk.lanes.all for item in lane.waiting]


def test_a_sheet_says_the_lane_of_each_event() -> None:
    its = life(event(distinct_id="ada"), event(distinct_id="v1"), joins("ada", "v1"), event(distinct_id="v1"))
    its.journal.append((5, decode_entry(FORGOTTEN), 16))
    (sheet,) = sheets_of(its)
    ada = lane_of(its.known.group("ada"))
    assert list(sheet.lanes) == [lane_of("ada"), lane_of("v1"), ada | JOINS, ada, NOBODYS]
    leaves = 2 if ada == lane_of("ada") else 1
    assert (sheet.first, sheet.last, sheet.left) == (1, 5, {3: leaves})


def test_a_sheet_grows_until_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_writer, "EVENTS", 3)
    its = life(*(event(distinct_id=f"u{n}") for n in range(8)))
    writer, written = SheetWriter(Known(its.store, 0)), list[list[int]]()
    for at in range(0, 8, 2):
        writer.add(its.journal[at : at + 2])
        sheets = writer.to_write()
        written.append([one.first for one in sheets])
        writer.written(sheets)
    assert written == [[1], [1, 4], [4], [4, 7]]


def test_what_is_not_on_disk_is_written_again() -> None:
    its = life(event(distinct_id="ada"), event(distinct_id="bob"))
    writer = SheetWriter(Known(its.store, 0))
    writer.add(its.journal[:1])
    writer.add([(7, its.journal[1][1], 100)])  # some in between were trimmed
    assert [one.first for one in writer.to_write()] == [one.first for one in writer.to_write()] == [1, 7]
    writer.written(writer.to_write())
    assert [one.first for one in writer.to_write()] == [7]  # it may grow


SHEETS = [
    Sheet(1, bytes([0, 1, 2, JOINS | 1, NOBODYS]), {4: 2}),
    Sheet(6, bytes([0, 0, 3])),
    Sheet(20, bytes([0])),
]


@pytest.mark.parametrize(
    ("after", "last", "limit", "to", "positions"),
    [
        (0, 100, 100, 8, [1, 4, 6, 7]),
        (0, 6, 100, 6, [1, 4, 6]),
        (0, 100, 3, 6, [1, 4, 6]),
        (4, 100, 100, 8, [6, 7]),
        (7, 100, 100, 8, []),
        (19, 100, 100, 20, [20]),
    ],
)
def test_a_portion_ends_with_the_sheets_or_when_there_is_enough(
    after: int, last: int, limit: int, to: int, positions: list[int]
) -> None:
    lanes = dict.fromkeys(positions, 0) | ({4: 1} if 4 in positions else {})
    found = portion(SHEETS, wanted([0], joins=True), after, last, limit)
    assert found is not None
    assert (found.to, found.lanes) == (to, lanes)


def test_joins_of_other_lanes_are_read_by_whoever_asks_for_them() -> None:
    assert portion(SHEETS, wanted([0], joins=False), 0, 5, 100) == Portion(5, {1: 0}, {4: 2})
    assert portion(SHEETS, wanted([1], joins=False), 0, 5, 100) == Portion(5, {2: 1, 4: 1}, {4: 2})


@pytest.mark.parametrize("after", [8, 15, 20])
def test_where_no_sheet_is_there_is_no_portion(after: int) -> None:
    assert portion(SHEETS, wanted([0], joins=True), after, 100, 100) is None


@pytest.mark.parametrize("seed", range(12))
def test_parts_get_every_event_once_and_wait_for_the_same(seed: int) -> None:
    chance = Random(seed)
    ids = [f"u{n}" for n in range(9)]
    said = [
        joins(*chance.sample(ids, 2)) if chance.random() < 0.2 else event(distinct_id=chance.choice(ids))
        for _ in range(60)
    ]
    its = life(*said)
    sheets, shares = sheets_of(its, chance), chance.randint(2, 5)
    got = dict[int, int]()
    for place in range(shares):
        lanes = range(place, LANES, shares)
        reads_all, by_sheets = part(its, lanes), part(its, lanes)
        reads_all.feed(its.journal)
        while by_sheets.lanes.read < len(its.journal):
            found = portion(
                sheets, wanted(lanes, joins=place > 0), by_sheets.lanes.read, len(its.journal), chance.randint(1, 20)
            )
            assert found is not None
            by_sheets.feed([one for one in its.journal if one[0] in found.lanes], found)
        assert waiting(by_sheets) == waiting(reads_all)
        got.update((item.position, item.lane) for item in waiting(by_sheets))
    assert sorted(got) == [position for position, _, _ in its.journal]


def test_a_join_that_no_sheet_explains_waits_for_all_earlier_events() -> None:
    its = life(event(distinct_id="ada"), event(distinct_id="v1"), event(distinct_id="bob"), joins("ada", "v1"))
    lane = lane_of(its.known.group("ada"))
    desk = part(its, [lane])
    desk.feed(its.journal[3:], Portion(4, {4: lane}, {}))
    (item,) = waiting(desk)
    assert [(wait.settled, wait.clear) for wait in item.far] == [(3, 4)]


def test_where_sheets_end_any_group_may_have_had_an_event_before() -> None:
    its = life(event(distinct_id="ada"), event(distinct_id="v1"), event(distinct_id="bob"), joins("ada", "v1"))
    lane = lane_of(its.known.group("ada"))
    desk = part(its, [lane])
    desk.feed([], Portion(3, {}, {}))
    desk.feed(its.journal[3:])
    (item,) = waiting(desk)
    assert [(wait.settled, wait.clear) for wait in item.far] == [(3, 4)]
