"""A settlement in SQL: counters, people, dead letters, positions. Runs inside of a transaction of the state's.

Every part is one statement where there can be many rows.
"""

from __future__ import annotations

import apsw
import msgspec

from hogline.store.base import Settlement


def people_as_json(settlement: Settlement) -> bytes:
    """One JSON text for all people: one statement writes them, and SQLite works while other threads do too."""
    return msgspec.json.encode(
        [(person.distinct_id, person.email.lower() if person.email else None, person) for person in settlement.people]
    )


def settle(settlement: Settlement, people: bytes, database: apsw.Connection) -> None:
    connection = settlement.connection
    if settlement.people:
        database.execute(
            "INSERT INTO people SELECT ?1, value ->> 0, value ->> 1, value -> 2 FROM json_each(?2) WHERE true"
            " ON CONFLICT DO UPDATE SET email = excluded.email, person = excluded.person",
            (connection, people.decode()),
        )
    count(
        database,
        connection,
        [
            (kind, reason, n)
            for kind, counts in (
                ("delivered", {"": settlement.delivered}),
                ("filtered", settlement.filtered),
                ("adjusted", settlement.adjusted),
                ("requests", {"": settlement.requests}),
                ("retries", settlement.retries),
                ("replayed", settlement.replayed),
            )
            for reason, n in counts.items()
        ],
    )
    _settle_dead_letters(settlement, database)
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


def _settle_dead_letters(settlement: Settlement, database: apsw.Connection) -> None:
    connection = settlement.connection
    for letter in settlement.dead_letters:
        refusals = msgspec.json.encode(letter.refusals)
        database.execute(
            "INSERT INTO dead_letters (connection, position, uuid, reason, at_ms, event, refusals)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            # Only one that is retried may be there already.
            " ON CONFLICT DO UPDATE SET reason = excluded.reason, at_ms = excluded.at_ms,"
            " refusals = excluded.refusals, retrying = 0 WHERE retrying",
            (connection, letter.position, letter.uuid, letter.reason, letter.at_ms, letter.event, refusals),
        )
        if not database.changes():
            raise ValueError(f"The event at position {letter.position} is a dead letter already.")
    for position in settlement.resolved:
        database.execute("DELETE FROM dead_letters WHERE connection = ? AND position = ?", (connection, position))
        if not database.changes():
            raise ValueError(f"The event at position {position} is no dead letter.")
