"""Removing people from the state, in SQL. Runs inside of a transaction of the state's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import apsw
import msgspec
from msgspec.structs import replace

from hogline.entry import FORGOTTEN
from hogline.model import Refusal
from hogline.posthog.forgetting import without
from hogline.store.base import Forgotten
from hogline.store.sqlite.database import rows
from hogline.store.sqlite.settling import count, give_up


def forget(
    database: apsw.Connection, connection: int, names: Mapping[str, str], waiting: int, hashes: Sequence[bytes]
) -> Forgotten:
    """Everything that names these ids goes, or gets another name; their events count as filtered (`forgotten`), and
    so do `waiting` more."""
    ids = msgspec.json.encode(list(names)).decode()
    held = give_up(
        database,
        connection,
        "forgotten",
        "SELECT position FROM held WHERE connection = ?1 AND distinct_id IN (SELECT value FROM json_each(?2))",
        ids,
    )
    letters = _dead_letters(database, connection, set(names))
    _rewrite(database, connection, "held", set(names))
    people = 0
    for table, column in (("people", "distinct_id"), ("due", "distinct_id"), ("emails", "distinct_id")):
        database.execute(
            f"DELETE FROM {table} WHERE connection = ? AND {column} IN (SELECT value FROM json_each(?))",  # noqa: S608  # names are ours
            (connection, ids),
        )
        people = people or database.changes()
    for distinct_id, name in names.items():
        _rename(database, connection, distinct_id, name)
    database.executemany("INSERT OR IGNORE INTO suppressed VALUES (?, ?)", [(connection, one) for one in hashes])
    count(database, connection, [("filtered", "forgotten", len(letters) + waiting)])
    return Forgotten(people=people, held=held, dead_letters=len(letters))


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


def _rename(database: apsw.Connection, connection: int, distinct_id: str, name: str) -> None:
    """Other ids may travel with this one, and must go on in the same lane."""
    for column in ("distinct_id", '"group"'):
        database.execute(
            f"UPDATE routes SET {column} = ?3 WHERE connection = ?1 AND {column} = ?2",  # noqa: S608  # names are ours
            (connection, distinct_id, name),
        )
