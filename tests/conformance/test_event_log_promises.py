"""What an event log promises: every event with what happened to it, searched by anything, until the journal lets it go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hogline.store.event_log import EventLog, Noted, NotedShipment, OutcomeKind, Query, checksum
from hogline.store.sqlite.event_log import BLOCK_BITS, SqliteEventLog

pytestmark = pytest.mark.anyio

LOGS: dict[str, Callable[[Path], EventLog]] = {"sqlite": lambda folder: SqliteEventLog(folder / "events.db")}
FAR = 1 << BLOCK_BITS


@pytest.fixture(params=list(LOGS.values()), ids=list(LOGS))
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EventLog]:
    made: Callable[[Path], EventLog] = request.param
    return lambda: made(tmp_path)


@pytest.fixture
async def log(opens: Callable[[], EventLog]) -> AsyncIterator[EventLog]:
    opened = opens()
    yield opened
    await opened.close()


def noted(
    position: int, kind: OutcomeKind = "delivered", reason: str = "", *, name: str = "ordered", who: str = "ada"
) -> Noted:
    return position, checksum(name), checksum(who), (kind, reason)


def shipped(*events: Noted, connection: int = 1, at_ms: int = 1_000) -> NotedShipment:
    sent = [(position, "event", "", b'{"n":%d}' % position, outcome[1]) for position, _, _, outcome in events]
    return NotedShipment(connection, at_ms - 50, at_ms, events, sent)


def positions(log: EventLog, limit: int = 100, **wanted: object) -> list[int]:
    query = Query(**{"connections": [1], **wanted})  # type: ignore[arg-type]
    return [each.position for each in log.find(query, limit)]


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
    await log.add(shipped(*EVENTS[:2]))
    await log.add(shipped(*EVENTS[2:]))
    assert [position % FAR for position in positions(log, **wanted)] == found  # type: ignore[arg-type]


@pytest.mark.parametrize("wanted", [{}, {"people": ["ada"]}, {"names": ["ordered"]}, {"kind": "delivered"}])
async def test_pages_begin_where_the_last_one_ended(log: EventLog, wanted: dict[str, object]) -> None:
    await log.add(shipped(*(noted(position) for position in range(1, 8))))
    assert positions(log, 3, **wanted) == [7, 6, 5]
    assert positions(log, 3, before=5, **wanted) == [4, 3, 2]


async def test_all_connections_are_searched_at_the_same_time(log: EventLog) -> None:
    await log.add(shipped(noted(1), noted(3)))
    await log.add(shipped(noted(2), noted(3), connection=2))
    assert positions(log, connections=[1, 2]) == [3, 3, 2, 1]


async def test_only_the_newest_outcome_is_found_but_all_attempts_are_kept(log: EventLog) -> None:
    await log.add(shipped(noted(1, "failed", "invalid"), noted(2), at_ms=1_000))
    await log.add(shipped(noted(1), at_ms=2_000))
    assert positions(log, kind="failed") == []
    assert positions(log) == [2, 1]
    attempts = log.attempts(1, 1)
    assert [(one.began_ms, one.at_ms, one.kind, one.reason) for one in attempts] == [
        (950, 1_000, "failed", "invalid"),
        (1_950, 2_000, "delivered", ""),
    ]
    assert [one.sent for one in attempts] == [
        [(1, "event", "", b'{"n":1}', "invalid")],
        [(1, "event", "", b'{"n":1}', "")],
    ]
    assert log.attempts(1, 99) == []


async def test_an_event_that_is_sent_again_after_a_crash_is_found_once(log: EventLog) -> None:
    for _ in range(2):
        await log.add(shipped(noted(1), noted(2)))
    assert positions(log) == [2, 1]


async def test_what_the_journal_lets_go_goes(log: EventLog) -> None:
    await log.add(shipped(noted(1), noted(2)))
    await log.add(shipped(noted(3), noted(4)))
    await log.trim(4)
    assert positions(log) == [4]
    assert (log.attempts(1, 2), len(log.attempts(1, 4))) == ([], 1)


async def test_whoever_is_forgotten_leaves_nothing_and_others_stay(log: EventLog, tmp_path: Path) -> None:
    await log.add(shipped(noted(1), noted(2, who="bob")))
    await log.forget([1])
    await log.forget([])
    assert positions(log) == [2]
    assert log.attempts(1, 1) == []
    assert [one.sent for one in log.attempts(1, 2)] == [[(2, "event", "", b'{"n":2}', "")]]
    assert await log.clean()


async def test_a_removed_connection_is_gone(log: EventLog) -> None:
    await log.add(shipped(noted(1)))
    await log.add(shipped(noted(1), connection=2))
    await log.keep_only([2])
    assert positions(log, connections=[1, 2]) == [1]


async def test_a_shipment_without_events_is_not_written(log: EventLog) -> None:
    await log.add(NotedShipment(1, 0, 0, (), ()))
    assert positions(log) == []


async def test_it_is_all_there_after_a_restart(opens: Callable[[], EventLog]) -> None:
    first = opens()
    await first.add(shipped(noted(1, "failed", "invalid")))
    await first.close()
    again = opens()
    assert positions(again, kind="failed", reason="invalid") == [1]
    await again.add(shipped(noted(2, "failed", "invalid")))
    assert positions(again, kind="failed", reason="invalid") == [2, 1]
    await again.close()
