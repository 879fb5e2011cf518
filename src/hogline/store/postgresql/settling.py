"""A settlement in SQL; `store.base.State.settle` says what it does. Runs in a transaction of the state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hogline.core.changes import Noted, Settlement
from hogline.store.event_log import EventOutcome, changed, packed
from hogline.store.memory import HELD_BYTES_FOR_ONE, HELD_FOR_ONE
from hogline.store.postgresql.link import Link, execute, rows, value
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.records import Write, end_again, put_again, put_denied, put_freed

SQL = queries("settling")

_AT_ONCE = 1_000


def settle(settlement: Settlement, written: Write, link: Link) -> None:
    """`written` writes what was told."""
    connection = settlement.connection
    written(link)
    if settlement.noted is not None:
        note(link, connection, settlement.noted)
    count(link, connection, settlement.counted)
    _settle_failures(settlement, link)
    _settle_held(settlement, link)
    end_again(link, connection, settlement.again_done)
    put_freed(link, connection, settlement.freed)
    put_again(link, connection, "freed", settlement.unwritten)
    put_denied(link, connection, settlement.denied)
    if settlement.replay_settled is not None:
        execute(link, SQL["settle_replay"], {"connection": connection, "settled": settlement.replay_settled})
    if settlement.lanes:
        where = {"lanes": list(settlement.lanes), "positions": list(settlement.lanes.values())}
        execute(link, SQL["lanes"], {"connection": connection, **where})
    if settlement.clear:
        where = {"lanes": list(settlement.clear), "positions": list(settlement.clear.values())}
        execute(link, SQL["clear"], {"connection": connection, **where})


def count(link: Link, connection: int, counted: Iterable[tuple[str, str, int]]) -> None:
    if some := [row for row in counted if row[2]]:
        kinds, reasons, ns = zip(*some, strict=True)
        given = {"connection": connection, "kinds": list(kinds), "reasons": list(reasons), "ns": list(ns)}
        execute(link, SQL["count"], given)


def note(link: Link, connection: int, noted: Noted) -> None:
    _note(link, connection, packed(noted))


def note_change(link: Link, connection: int, positions: Iterable[int], outcome: EventOutcome) -> None:
    """Something else is decided about events that were noted before."""
    if found := list(positions):
        _note(link, connection, changed(found, outcome))


def _note(link: Link, connection: int, made: tuple[bytes, bytes]) -> None:
    execute(link, SQL["note"], {"connection": connection, "noted": made[0], "sent": made[1]})


def _settle_failures(settlement: Settlement, link: Link) -> None:
    connection = settlement.connection
    for letter in settlement.failures:
        given = {
            "connection": connection,
            "position": letter.position,
            "uuid": letter.uuid,
            "reason": letter.reason,
            "at_ms": letter.at_ms,
            "event": letter.event,
            "refusals": msgspec.json.encode(letter.refusals),
        }
        # Only a failure that is being retried may already be there.
        if not rows(link, SQL["fail"], given):
            raise ValueError(f"The event at position {letter.position} is a failure already.")
    if settlement.resolved:
        positions = list(settlement.resolved)
        gone = rows(link, SQL["resolve"], {"connection": connection, "positions": positions})
        if len(gone) != len(positions):
            raise ValueError("An event that is resolved is no failure.")


def _settle_held(settlement: Settlement, link: Link) -> None:
    connection = settlement.connection
    if settlement.absorbed:
        absorbed = {"absorbed": list(settlement.absorbed), "people": list(settlement.absorbed.values())}
        execute(link, SQL["absorb"], {"connection": connection, **absorbed})
    if settlement.released:
        _release(settlement, link)
    if settlement.held:
        given = {
            "positions": [one.position for one in settlement.held],
            "people": [one.distinct_id for one in settlement.held],
            "received": [one.received_ms for one in settlement.held],
            "events": [one.event for one in settlement.held],
        }
        execute(link, SQL["hold"], {"connection": connection, **given})
        taken = sum(len(one.event) for one in settlement.held)
        count(link, connection, [("held", "", len(settlement.held)), ("held_bytes", "", taken)])
    if fuller := {one.distinct_id for one in settlement.held} | set(settlement.absorbed.values()):
        most = {"people": list(fuller), "most": HELD_FOR_ONE, "most_bytes": HELD_BYTES_FOR_ONE}
        give_up(link, connection, "hold_too_many", "give_up_beyond", most)


def _release(settlement: Settlement, link: Link) -> None:
    """The counts say what happened to released events. If one was given up in the meantime, it no longer counts as
    that."""
    connection = settlement.connection
    released = rows(link, SQL["release"], {"connection": connection, "positions": list(settlement.released)})
    given_up = len(settlement.released) - len(released)
    taken = sum(length for (length,) in released)
    count(link, connection, [("held", "", -len(released)), ("held_bytes", "", -taken)])
    if not given_up:
        return
    for reason, n in rows(link, SQL["given_up"], {"connection": connection}):
        counted = min(n, given_up)
        count(link, connection, [("filtered", reason, -counted)])
        given_up -= counted


def give_up(link: Link, connection: int, reason: str, which: str, given: Mapping[str, object]) -> int:
    """Give up held events: those that the query `which` deletes."""
    gone = rows(link, SQL[which], {"connection": connection, **given})
    taken = sum(length for _, length in gone)
    count(
        link,
        connection,
        [("held", "", -len(gone)), ("held_bytes", "", -taken), ("filtered", reason, len(gone))],
    )
    note_change(link, connection, sorted(position for position, _ in gone), ("filtered", reason))
    return len(gone)


def expire_held(link: Link, *, connection: int, received_before_ms: int, most_bytes: int) -> int:
    """Give up held events that are too old, and the oldest of those that take too much space. Positions and times grow
    together, so only the oldest are looked at."""
    given_up = 0
    for reason in ("hold_expired", "hold_full"):
        while True:
            oldest = rows(link, SQL["oldest_held"], {"connection": connection})
            excess = value(link, SQL["held_bytes"], {"connection": connection}) - most_bytes
            chosen = []
            for position, received_ms, length in oldest:
                if received_ms < received_before_ms if reason == "hold_expired" else excess > 0:
                    chosen.append(position)
                    excess -= length
            if chosen:
                give_up(link, connection, reason, "give_up_at", {"positions": chosen})
            given_up += len(chosen)
            if len(chosen) < _AT_ONCE:
                break
    return given_up
