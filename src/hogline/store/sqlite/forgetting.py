"""Removing people from the state, in SQL. Runs inside of a transaction of the state's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import apsw
import msgspec
from msgspec.structs import replace

from hogline.model import Refusal
from hogline.posthog.entry import FORGOTTEN
from hogline.posthog.forgetting import without
from hogline.store.base import Forgotten
from hogline.store.sqlite import records
from hogline.store.sqlite.database import rows
from hogline.store.sqlite.settling import count, give_up


def forget(
    database: apsw.Connection, connection: int, ids: Sequence[str], waiting: int, emails: Sequence[str]
) -> Forgotten:
    """Everything of a connection that names these ids or has these emails goes; their events count as filtered
    (`forgotten`), and so do `waiting` more."""
    names = msgspec.json.encode(list(ids)).decode()
    held = give_up(
        database,
        connection,
        "forgotten",
        "SELECT position FROM held WHERE connection = ?1 AND distinct_id IN (SELECT value FROM json_each(?2))",
        names,
    )
    letters = _dead_letters(database, connection, set(ids))
    _rewrite(database, connection, "held", set(ids))
    people = 0
    for table in ("told", "again", "ledger"):
        database.execute(
            f"DELETE FROM {table} WHERE connection = ? AND person IN (SELECT value FROM json_each(?))",  # noqa: S608  # names are ours
            (connection, names),
        )
        people = people or database.changes()
    records.change(connection, {}, dict.fromkeys(emails))(database)
    count(database, connection, [("filtered", "forgotten", len(letters) + waiting)])
    return Forgotten(people=people, held=held, dead_letters=len(letters))


def forget_known(database: apsw.Connection, ids: Sequence[str], hashes: Sequence[bytes]) -> None:
    """What is known of them, for all connections."""
    names = msgspec.json.encode(list(ids)).decode()
    for table in ("known", "ids"):
        database.execute(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (names,))  # noqa: S608  # as above
    database.executemany("INSERT OR IGNORE INTO never_again VALUES (?)", [(one,) for one in hashes])


def _dead_letters(database: apsw.Connection, connection: int, distinct_ids: set[str]) -> list[int]:
    """Remove theirs. Returns their positions."""
    positions = _rewrite(database, connection, "dead_letters", distinct_ids)
    database.executemany(
        "DELETE FROM dead_letters WHERE connection = ? AND position = ?", [(connection, one) for one in positions]
    )
    return positions


def _rewrite(
    database: apsw.Connection, connection: int, table: Literal["held", "dead_letters"], distinct_ids: set[str]
) -> list[int]:
    """Take their names out of others' events. Returns the positions of events that are theirs."""
    theirs = []
    for distinct_id in distinct_ids:
        for position, event in rows(
            database,
            f"SELECT position, event FROM {table} WHERE connection = ? AND instr(event, ?)",  # noqa: S608  # names are ours
            (connection, distinct_id.encode("utf-8", "surrogatepass")),
        ):
            rewritten = without(event, distinct_ids)
            if rewritten == FORGOTTEN:
                theirs.append(position)
            elif rewritten is not None:
                database.execute(
                    f"UPDATE {table} SET event = ? WHERE connection = ? AND position = ?",  # noqa: S608  # as above
                    (rewritten, connection, position),
                )
                if table == "dead_letters":
                    _forget_operations(database, connection, position)
    return sorted(set(theirs))


def _forget_operations(database: apsw.Connection, connection: int, position: int) -> None:
    """What was refused of a dead letter quotes the event."""
    for (refusals,) in rows(
        database, "SELECT refusals FROM dead_letters WHERE connection = ? AND position = ?", (connection, position)
    ):
        kept = [replace(one, operation=b"") for one in msgspec.json.decode(refusals, type=list[Refusal])]
        database.execute(
            "UPDATE dead_letters SET refusals = ? WHERE connection = ? AND position = ?",
            (msgspec.json.encode(kept), connection, position),
        )
