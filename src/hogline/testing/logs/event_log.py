"""What an event log promises: every event with what happened to it, searched by anything, until the journal lets it go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest

from hogline.core.changes import Noted, Sent
from hogline.core.lanes import checksum
from hogline.store.event_log import EventLog, EventOutcome, OutcomeKind, Query, Unlogged, changed, packed

FAR = 4_096
"""Positions that are so far apart are in different blocks."""


@pytest.fixture
async def log(opens: Callable[[], EventLog]) -> AsyncIterator[EventLog]:
    opened = opens()
    yield opened
    await opened.close()


Event = tuple[int, int, int, EventOutcome]
numbers = count(1)


def noted(
    position: int, kind: OutcomeKind = "delivered", reason: str = "", *, name: str = "ordered", who: str = "ada"
) -> Event:
    return position, checksum(name), checksum(who), (kind, reason)


def shipped(*events: Event, connection: int = 1, at_ms: int = 1_000) -> Unlogged:
    made = Noted(
        began_ms=at_ms - 50,
        at_ms=at_ms,
        positions=[position for position, _, _, _ in events],
        names=[name for _, name, _, _ in events],
        people=[who for _, _, who, _ in events],
        others={position: outcome for position, _, _, outcome in events if outcome[0] != "delivered"},
        sent=Sent(
            positions=[position for position, _, _, _ in events],
            actions=["event"] * len(events),
            bodies=[b'{"n":%d}' % position for position, _, _, _ in events],
            rejected={n: reason for n, (_, _, _, (_, reason)) in enumerate(events) if reason},
        ),
    )
    return Unlogged(next(numbers), connection, *packed(made))


async def add(log: EventLog, *news: Unlogged) -> None:
    await log.take(news, 9_000)


async def positions(log: EventLog, limit: int = 100, **wanted: object) -> list[int]:
    query = Query(**{"connections": [1], **wanted})  # type: ignore[arg-type]
    return [each.position for each in await log.find(query, limit)]


EVENTS = (
    noted(1),
    noted(2, "filtered", "not_identified", who="bob"),
    noted(3, "failed", "invalid", name="signed up"),
    noted(FAR + 4, "held", "not_identified", who="bob", name="signed up"),
    noted(3 * FAR + 5),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"names": ["signed up"]}, [4, 3]),
        ({"names": ["unknown"]}, []),
        ({"people": ["ada"]}, [5, 3, 1]),
        ({"people": ["ada", "bob"]}, [5, 4, 3, 2, 1]),
        ({"people": ["bob"], "kind": "held"}, [4]),
        ({"people": ["bob"], "names": ["ordered"]}, [2]),
        ({"people": ["bob"], "names": ["ordered"], "kind": "held"}, []),
        ({"people": ["eve"], "names": ["ordered"]}, []),
        ({"people": ["ada", "eve", "eva"]}, [5, 3, 1]),
        ({"kind": "filtered"}, [2]),
        ({"reason": "not_identified"}, [4, 2]),
        ({"kind": "held", "reason": "not_identified"}, [4]),
        ({"kind": "held", "names": ["signed up"]}, [4]),
        ({"kind": "failed", "reason": "other"}, []),
        ({"after": 2}, [5, 4, 3]),
        ({"before": 3}, [2, 1]),
        ({"people": ["ada"], "after": 1, "before": 3 * FAR + 5}, [3]),
        ({"connections": [2]}, []),
        ({"connections": []}, []),
    ],
)
async def test_events_are_found_by_anything(log: EventLog, wanted: dict[str, object], found: list[int]) -> None:
    await add(log, shipped(*EVENTS[:2]))
    await add(log, shipped(*EVENTS[2:]))
    assert [position % FAR for position in await positions(log, **wanted)] == found  # type: ignore[arg-type]


@pytest.mark.parametrize("wanted", [{}, {"people": ["ada"]}, {"names": ["ordered"]}, {"kind": "delivered"}])
async def test_pages_begin_where_the_last_one_ended(log: EventLog, wanted: dict[str, object]) -> None:
    await add(log, shipped(*(noted(position) for position in range(1, 8))))
    assert await positions(log, 3, **wanted) == [7, 6, 5]
    assert await positions(log, 3, before=5, **wanted) == [4, 3, 2]


async def test_all_connections_are_searched_at_the_same_time(log: EventLog) -> None:
    await add(log, shipped(noted(1), noted(3)))
    await add(log, shipped(noted(2), noted(3), connection=2))
    assert await positions(log, connections=[1, 2]) == [3, 3, 2, 1]


async def test_only_the_newest_outcome_is_found_but_all_attempts_are_kept(log: EventLog) -> None:
    await add(log, shipped(noted(1, "failed", "invalid"), noted(2), at_ms=1_000))
    await add(log, shipped(noted(1), at_ms=2_000))
    assert await positions(log, kind="failed") == []
    assert await positions(log) == [2, 1]
    attempts = (await log.attempts(1, [1, 2]))[1]
    assert [(one.began_ms, one.at_ms, one.kind, one.reason) for one in attempts] == [
        (950, 1_000, "failed", "invalid"),
        (1_950, 2_000, "delivered", ""),
    ]
    assert [one.sent for one in attempts] == [
        [("event", "", b'{"n":1}', "invalid")],
        [("event", "", b'{"n":1}', "")],
    ]
    assert await log.attempts(1, [99]) == {}


async def test_many_events_of_several_shipments_are_looked_up_together(log: EventLog) -> None:
    await add(log, shipped(noted(1), noted(2), noted(FAR + 3)))
    await add(log, shipped(noted(FAR + 4, "failed", "invalid")))
    await add(log, shipped(noted(FAR + 4)))
    found = await log.attempts(1, [FAR + 4, FAR + 3, 2, 5])
    assert {position: [one.kind for one in each] for position, each in found.items()} == {
        2: ["delivered"],
        FAR + 3: ["delivered"],
        FAR + 4: ["failed", "delivered"],
    }


async def test_what_was_adjusted_is_kept_and_forgotten(log: EventLog) -> None:
    made = Noted(positions=[1, 2], sent=Sent(adjusted={1: ["shortened"], 2: ["shortened"]}))
    await add(log, Unlogged(next(numbers), 1, *packed(made)))
    await log.forget([1])
    assert [each[0].adjusted for each in (await log.attempts(1, [1, 2])).values()] == [["shortened"]]


async def test_requests_in_vain_are_kept_for_the_events_in_them_and_forgotten(log: EventLog) -> None:
    made = Noted(
        positions=[1, 2], sent=Sent(positions=[1, 2], actions=["event"] * 2, bodies=[b"1", b"2"],
        retries=[(500, "503", [1, 2]), (600, "unreachable", [1])])
    )  # fmt: skip
    await add(log, Unlogged(next(numbers), 1, *packed(made)))
    found = await log.attempts(1, [1, 2])
    assert [found[position][0].retries for position in (1, 2)] == [[(500, "503"), (600, "unreachable")], [(500, "503")]]
    await log.forget([1])
    assert {position: each[0].retries for position, each in (await log.attempts(1, [1, 2])).items()} == {
        2: [(500, "503")]
    }


async def test_an_event_that_is_sent_again_after_a_crash_is_found_once(log: EventLog) -> None:
    for _ in range(2):
        await add(log, shipped(noted(1), noted(2)))
    assert await positions(log) == [2, 1]


async def test_what_the_journal_lets_go_goes(log: EventLog) -> None:
    await add(log, shipped(noted(1), noted(2)))
    await add(log, shipped(noted(3), noted(4)))
    await log.trim(4)
    assert await positions(log) == [4]
    assert {position: len(each) for position, each in (await log.attempts(1, [2, 4])).items()} == {4: 1}


async def test_whoever_is_forgotten_leaves_nothing_and_others_stay(log: EventLog) -> None:
    await add(log, shipped(noted(1), noted(2, who="bob")))
    await log.forget([1])
    await log.forget([])
    assert await positions(log) == [2]
    attempts = await log.attempts(1, [1, 2])
    assert [[one.sent for one in each] for each in attempts.values()] == [[[("event", "", b'{"n":2}', "")]]]
    assert await log.clean()


async def test_a_removed_connection_is_gone(log: EventLog) -> None:
    await add(log, shipped(noted(1)))
    await add(log, shipped(noted(1), connection=2))
    await log.keep_only([2])
    assert await positions(log, connections=[1, 2]) == [1]


async def test_what_is_decided_later_is_the_newest_outcome(log: EventLog) -> None:
    await add(log, shipped(noted(1, "failed", "invalid"), noted(2)))
    await add(log, Unlogged(next(numbers), 1, *changed([1], ("filtered", "discarded"))))
    assert await positions(log, kind="failed") == []
    assert await positions(log, kind="filtered", reason="discarded", people=["ada"]) == [1]
    found = [(one.kind, one.reason, one.at_ms, len(one.sent)) for one in (await log.attempts(1, [1]))[1]]
    assert found == [("failed", "invalid", 1_000, 1), ("filtered", "discarded", 9_000, 0)]


async def test_nothing_is_taken_twice(log: EventLog) -> None:
    first, second = shipped(noted(1)), shipped(noted(2))
    await add(log, first)
    assert log.taken == first.number
    await add(log, first, second)
    assert log.taken == second.number
    assert [len(each) for each in (await log.attempts(1, [1, 2])).values()] == [1, 1]


async def test_a_state_from_an_older_backup_gives_numbers_again(log: EventLog) -> None:
    first = shipped(noted(1))
    await add(log, first, shipped(noted(2)))
    await log.go_back(first.number)
    await add(log, shipped(noted(2))._replace(number=first.number + 1))
    assert len((await log.attempts(1, [2]))[2]) == 2


async def test_what_is_older_than_the_journal_is_not_taken(log: EventLog) -> None:
    await add(log, shipped(noted(9)))
    await log.trim(8)
    await add(log, Unlogged(next(numbers), 1, *changed([3], ("filtered", "discarded"))))
    assert await positions(log) == [9]


async def test_of_a_frequent_name_the_newest_are_found(log: EventLog) -> None:
    for begin in (1, FAR):
        await add(log, shipped(*(noted(begin + n, name="rare" if n % 100 == 0 else "ordered") for n in range(400))))
    assert await positions(log, 3, names=["ordered"]) == [FAR + 399, FAR + 398, FAR + 397]
    assert await positions(log, 1_000, names=["rare"]) == [b + n for b in (FAR, 1) for n in (300, 200, 100, 0)]
    assert len(await positions(log, 1_000, names=["ordered"])) == 792


async def test_a_person_with_many_ids_is_found_like_one_with_one(log: EventLog) -> None:
    ids = [f"ada-{n}" for n in range(20)]
    await add(log, shipped(*(noted(n * 7 + 1, who=who) for n, who in enumerate((*ids, *ids)))))
    await add(log, shipped(*(noted(n * 7 + 2, who=f"bob-{n}", name="signed up") for n in range(100))))
    assert await positions(log, people=ids) == [n * 7 + 1 for n in reversed(range(40))]
    assert await positions(log, people=[*ids, "bob-99"], names=["signed up"]) == [99 * 7 + 2]
    assert await positions(log, people=[f"eve-{n}" for n in range(20)]) == []


@pytest.mark.parametrize("apart", [2, 3])
async def test_checksums_that_only_overlap_are_not_found(log: EventLog, apart: int) -> None:
    """Four bytes that stand between two numbers are nobody's."""
    looked_for = checksum("ada").to_bytes(4, "little")
    ends = (bytes(apart) + looked_for + bytes(4 - apart), looked_for)
    halves = [int.from_bytes(ends[0][:4], "little"), int.from_bytes(ends[0][4:], "little"), checksum("ada")]
    await add(log, shipped(*((n + 1, 7, who, ("delivered", "")) for n, who in enumerate(halves))))
    assert await positions(log, people=["ada"]) == [3]


async def test_it_is_all_there_after_a_restart(opens: Callable[[], EventLog]) -> None:
    first = opens()
    await add(first, shipped(noted(1, "failed", "invalid")))
    await first.close()
    again = opens()
    assert await positions(again, kind="failed", reason="invalid") == [1]
    await add(again, shipped(noted(2, "failed", "invalid")))
    assert await positions(again, kind="failed", reason="invalid") == [2, 1]
    await again.close()
