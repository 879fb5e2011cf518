"""A settlement in SQL; `store.base.State.settle` says what it does. Runs in a transaction of the state.

Every part that can have many rows is one statement.
"""

from __future__ import annotations

import apsw
import msgspec

from hogline.core.changes import Settlement
from hogline.store.memory import HELD_BYTES_FOR_ONE, HELD_FOR_ONE
from hogline.store.sqlite.database import rows, value
from hogline.store.sqlite.records import Write, end_again, put_again, put_denied, put_freed
from hogline.store.sqlite.unlogged import note, note_change

_BEYOND_MOST = (
    "SELECT position FROM (SELECT position, row_number() OVER newest AS place, sum(length(event)) OVER newest AS taken"
    " FROM held WHERE connection = ?1 AND distinct_id IN (SELECT value FROM json_each(?2))"
    " WINDOW newest AS (PARTITION BY distinct_id ORDER BY position DESC))"
    " WHERE place > ?3 OR (taken > ?4 AND place > 1)"
)


def settle(settlement: Settlement, changed: Write, database: apsw.Connection) -> None:
    """`changed` writes what was told."""
    connection = settlement.connection
    changed(database)
    if settlement.noted is not None:
        note(database, connection, settlement.noted)
    count(database, connection, settlement.counted)
    _settle_failures(settlement, database)
    _settle_held(settlement, database)
    end_again(database, connection, settlement.again_done)
    put_freed(database, connection, settlement.freed)
    if settlement.unwritten:
        put_again(database, connection, "freed", settlement.unwritten)
    if settlement.denied:
        put_denied(database, connection, settlement.denied)
    if settlement.replay_settled is not None:
        database.execute(
            "UPDATE replays SET settled = ?2 WHERE connection = ?1", (connection, settlement.replay_settled)
        )
        database.execute("DELETE FROM replays WHERE connection = ?1 AND settled >= last", (connection,))
    database.execute(
        "INSERT INTO lanes SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true"
        " ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        (connection, msgspec.json.encode(list(settlement.lanes.items())).decode()),
    )


def count(database: apsw.Connection, connection: int, counted: list[tuple[str, str, int]]) -> None:
    counted = [row for row in counted if row[2]]
    if counted:
        database.execute(
            "INSERT INTO counters SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (connection, msgspec.json.encode(counted).decode()),
        )


def _settle_failures(settlement: Settlement, database: apsw.Connection) -> None:
    connection = settlement.connection
    for letter in settlement.failures:
        refusals = msgspec.json.encode(letter.refusals)
        database.execute(
            "INSERT INTO dead_letters (connection, position, uuid, reason, at_ms, event, refusals)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            # Only a failure that is being retried may already be there.
            " ON CONFLICT DO UPDATE SET reason = excluded.reason, at_ms = excluded.at_ms,"
            " refusals = excluded.refusals, retrying = 0 WHERE retrying",
            (connection, letter.position, letter.uuid, letter.reason, letter.at_ms, letter.event, refusals),
        )
        if not database.changes():
            raise ValueError(f"The event at position {letter.position} is a failure already.")
    for position in settlement.resolved:
        database.execute("DELETE FROM dead_letters WHERE connection = ? AND position = ?", (connection, position))
        if not database.changes():
            raise ValueError(f"The event at position {position} is no failure.")


def _settle_held(settlement: Settlement, database: apsw.Connection) -> None:
    connection = settlement.connection
    for absorbed, person in settlement.absorbed.items():
        database.execute(
            "UPDATE held INDEXED BY held_by_person SET distinct_id = ?3 WHERE connection = ?1 AND distinct_id = ?2",
            (connection, absorbed, person),
        )
    if settlement.released:
        _release(settlement, database)
    if settlement.held:
        database.execute(
            "INSERT INTO held SELECT ?1, value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3) FROM json_each(?2)",
            (
                connection,
                msgspec.json.encode(
                    [(one.position, one.distinct_id, one.received_ms, one.event.hex()) for one in settlement.held]
                ).decode(),
            ),
        )
        taken = sum(len(one.event) for one in settlement.held)
        count(database, connection, [("held", "", len(settlement.held)), ("held_bytes", "", taken)])
    fuller = {one.distinct_id for one in settlement.held} | set(settlement.absorbed.values())
    if fuller:
        give_up(
            database,
            connection,
            "hold_too_many",
            _BEYOND_MOST,
            msgspec.json.encode(list(fuller)).decode(),
            HELD_FOR_ONE,
            HELD_BYTES_FOR_ONE,
        )


def _release(settlement: Settlement, database: apsw.Connection) -> None:
    """The counts say what happened to released events. If one was given up in the meantime, it no longer counts as
    that."""
    connection = settlement.connection
    released = rows(
        database,
        "DELETE FROM held WHERE connection = ?1 AND position IN (SELECT value FROM json_each(?2))"
        " RETURNING length(event)",
        (connection, msgspec.json.encode(list(settlement.released)).decode()),
    )
    given_up = len(settlement.released) - len(released)
    taken = sum(length for (length,) in released)
    count(
        database,
        connection,
        [("held", "", -len(released)), ("held_bytes", "", -taken)],
    )
    for reason, n in rows(
        database,
        "SELECT reason, n FROM counters WHERE connection = ? AND kind = 'filtered'"
        " AND reason IN ('hold_expired', 'hold_full', 'hold_too_many') ORDER BY reason",
        (connection,),
    ):
        counted = min(n, given_up)
        count(database, connection, [("filtered", reason, -counted)])
        given_up -= counted


def give_up(database: apsw.Connection, connection: int, reason: str, which: str, *parameters: str | int) -> int:
    """Give up held events. `which` selects their positions, with the connection as ?1, followed by the parameters."""
    gone = rows(
        database,
        f"DELETE FROM held WHERE connection = ?1 AND position IN ({which}) RETURNING position, length(event)",  # noqa: S608  # ours
        (connection, *parameters),
    )
    taken = sum(length for _, length in gone)
    count(
        database,
        connection,
        [("held", "", -len(gone)), ("held_bytes", "", -taken), ("filtered", reason, len(gone))],
    )
    note_change(database, connection, (position for position, _ in gone), ("filtered", reason))
    return len(gone)


def expire_held(database: apsw.Connection, *, connection: int, received_before_ms: int, most_bytes: int) -> int:
    """Give up held events that are too old, and the oldest of those that take too much space. Positions and times grow
    together, so only the oldest are looked at."""
    given_up = 0
    for reason in ("hold_expired", "hold_full"):
        while True:
            oldest = rows(
                database,
                "SELECT position, received_ms, length(event) FROM held WHERE connection = ?"
                " ORDER BY position LIMIT 1000",
                (connection,),
            )
            excess = held_bytes(database, connection) - most_bytes
            chosen = []
            for position, received_ms, length in oldest:
                if received_ms < received_before_ms if reason == "hold_expired" else excess > 0:
                    chosen.append(position)
                    excess -= length
            if chosen:
                positions = msgspec.json.encode(chosen).decode()
                give_up(database, connection, reason, "SELECT value FROM json_each(?2)", positions)
            given_up += len(chosen)
            if len(chosen) < 1_000:
                break
    return given_up


def held_bytes(database: apsw.Connection, connection: int) -> int:
    sql = "SELECT n FROM counters WHERE connection = ? AND kind = 'held_bytes'"
    taken: int | None = value(database, sql, (connection,))
    return taken or 0
