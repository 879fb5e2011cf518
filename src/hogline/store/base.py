"""The contracts of a store: the journal keeps received events in order, the state keeps everything else.

Receiving only appends to the journal; delivery only writes the state. Each has one writer. An author of another store
implements `Journal` and `State` and runs `hogline.testing.stores` against them: it tests every promise made here.

Three rules hold for all methods. A write is atomic, and on disk when the call returns. A write that fails raises
`Unwritable` if trying again may help (a full disk), and anything else if it never will (a contradiction); either way it
changed nothing, and did not harm other writes. Reads see every write that has returned.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from hogline.core.changes import Flush, HeldEvent, Intent, Settlement
from hogline.core.known import Id, Person
from hogline.core.ledger import LedgerRow
from hogline.core.told import Told
from hogline.store.backfilled import Backfilled, Taken
from hogline.store.directory import Lists
from hogline.store.event_log import Unlogged
from hogline.store.forgetting import Forgets
from hogline.store.repeating import Repeats
from hogline.store.resending import Resends
from hogline.store.values import (
    ALWAYS,
    READ_BYTES,
    Connection,
    Counts,
    NameTaken,
    Replay,
    Span,
    TokenKind,
    Unusable,
    Unwritable,
)

__all__ = [
    "ALWAYS",
    "READ_BYTES",
    "Appender",
    "Connection",
    "Counts",
    "Journal",
    "NameTaken",
    "Replay",
    "Span",
    "State",
    "TokenKind",
    "Unusable",
    "Unwritable",
]  # fmt: skip


class Appender(Protocol):
    """The part of a journal that receiving needs."""

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        """Append events, as `entry.encode_event` packs them, and add to the counts of rejected ones, by reason. Both in
        one transaction.

        Returns the position of the last of them when they are on disk; without events, the current end. Events of one
        call get consecutive positions in their order. Raises `Unwritable`.
        """
        ...


class Journal(Appender, Protocol):
    """The durable, ordered log of received events. Positions are 1, 2, 3, …, without gaps, and are never used again.

    A store never removes an event by itself: `runtime.housekeeping` calls `trim`, and forgetting calls `rewrite`.
    """

    async def append(
        self,
        events: Sequence[bytes],
        refused: Mapping[str, int] | None = None,
        taken: Taken | None = None,
        positions: Mapping[int, int] | None = None,
    ) -> int:
        """As `Appender.append`. `taken`: these are older events of a run; written with them is how far it is then.
        `positions`: these come from a log of somebody else; written with them is how far it is read then, by numbers
        that are `backfilled.taken` too.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, in one sentence that is safe to show; None if all is well. It stays for at
        least as long as the last `Unwritable` asked to wait.
        """
        ...

    @property
    def backfilled(self) -> Backfilled:
        """Where older events stand."""
        ...

    @property
    def first(self) -> int:
        """The position of the oldest event that was not trimmed; `end + 1` if all were."""
        ...

    @property
    def end(self) -> int:
        """The position of the newest event on disk; 0 if there never was one. Trimming does not change it. As far as
        this process has heard: another one may just have appended more.
        """
        ...

    async def newest(self) -> int:
        """As `end`, but the store is asked: nobody has settled anything after it. Raises `Unwritable`."""
        ...

    async def read(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[tuple[int, bytes]]:
        """The next events after a position, in order, with their positions: at most `limit` events and `most_bytes`
        bytes, but always at least one if there is any.
        """
        ...

    async def drop_runs(self, runs: Collection[int]) -> None:
        """Forget how far these runs or logs are. Raises `Unwritable`."""
        ...

    async def wait(self, after: int) -> None:
        """Returns as soon as there is an event after this position."""
        ...

    async def received_at(self, position: int) -> int | None:
        """When this event was appended (milliseconds since 1970); None if it is not in the journal."""
        ...

    async def position_at(self, received_ms: int) -> int:
        """The position of the oldest event appended at this time or later; `end + 1` if there is none."""
        ...

    async def trim(self, settled: int, *, received_before_ms: int, most_bytes: int) -> int:
        """Remove some of the oldest events, never one after `settled`: those appended before that time, and more as
        long as all events together take more than `most_bytes`: first older events of runs, which files still have, and
        in whose place `entry.FORGOTTEN` is left; then the oldest of all. Returns how many. Removes them in several
        short transactions.
        """
        ...

    async def size_bytes(self) -> int:
        """How much space the events take on disk."""
        ...

    async def refused(self) -> dict[str, int]:
        """How many events were rejected on receipt, by reason: the sums of what `append` was given."""
        ...

    def naming(self, texts: Collection[str], *, after: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        """All events after a position that contain one of these texts anywhere, ignoring case; in order, with their
        positions. Other calls must not have to wait for it. Raises `Unwritable`.
        """
        ...

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Replace the events at these positions. Their times stay."""
        ...

    async def clean(self) -> bool:
        """Make sure that nothing removed or replaced so far can be found in the journal's files. Works in small steps
        between other writes. False: it has to be tried again later, because another program is reading the files.
        Raises `Unwritable`.
        """
        ...

    async def close(self) -> None: ...


class State(Forgets, Resends, Lists, Repeats, Protocol):
    """What is known about people, and for each connection what it told its destination, positions, counters, failures
    and held events. Writes raise `Unwritable`.

    A store does not interpret `Told`, `Person`, `Id` or the ledger's rows: it keeps them by their keys. What it has to
    compute are the counters, which of a person's held events stay, and who is chosen by a search.
    """

    @property
    def trouble(self) -> str | None:
        """As `Journal.trouble`."""
        ...

    async def tokens(self, kind: TokenKind = "private") -> list[str]:
        """The project's tokens of one kind, oldest first."""
        ...

    async def add_token(self, token: str, kind: TokenKind = "private") -> None:
        """Add a token as the newest of its kind. The caller makes sure that it is new. A store must encrypt tokens."""
        ...

    async def remove_token(self, token: str) -> None:
        """Remove a token of either kind; nothing happens if it is not there."""
        ...

    async def connections(self) -> list[Connection]:
        """All connections, oldest first."""
        ...

    async def add_connection(
        self,
        *,
        name: str,
        destination: str,
        options: Mapping[str, object],
        paused: bool,
        start: int,
        now_ms: int,
        workspace: str | None = None,
    ) -> Connection:
        """Add a connection and return it with a new id, which no connection ever had. Raises `NameTaken`."""
        ...

    async def change_connection(self, changed: Connection) -> None:
        """Write a connection's name (no other has it), options, workspace, whether it is paused, and why it stopped."""
        ...

    async def remove_connection(self, connection: int) -> None:
        """Remove a connection with everything the state has for it. The state is `to_clean` afterwards."""
        ...

    # What the core reads. These calls block, so each must take well under a millisecond. What is not there is left out.

    def ids(self, ids: Sequence[str]) -> dict[str, Id]:
        """What is known about these ids, by id."""
        ...

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        """What is known about these people, by the id that names them."""
        ...

    def members(self, id_: str) -> list[str]:
        """All ids whose `Id.parent` is this one, in order."""
        ...

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]:
        """What a connection told its destination about these people, by the id that names them."""
        ...

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, LedgerRow]:
        """Whose these emails are at a connection. Emails are in lowercase here."""
        ...

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, by position; if they are more than `READ_BYTES`, only the newest."""
        ...

    def folded(self) -> int:
        """Up to which position the journal is part of what is known: the last `Flush.folded`; 0 at first."""
        ...

    def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        """People with `Told.due_ms`, except 0 and `WAITS_MS`, and that time; the earliest first."""
        ...

    def again(self, connection: int, limit: int) -> list[tuple[str, str]]:
        """What `send_again`, `options_changed` and settlements asked for and no settlement has done: the kind and the
        person, in order."""
        ...

    def settled_before(self, connection: int) -> tuple[int, frozenset[int]]:
        """For data of an older version: up to this position it may have settled events out of order, and settled these.
        A new store returns `(0, frozenset())`."""
        ...

    # What the core writes. Each is one transaction.

    async def flush(self, flush: Flush) -> None:
        """Replace what is known about these people and ids, move the day of `flush.seen` forward (never back), and set
        `folded`.
        """
        ...

    async def intend(self, intent: Intent) -> None:
        """Replace `told` and the ledger's rows of a connection; None removes a row."""
        ...

    async def settle(self, settlement: Settlement) -> None:
        """Write the results of one shipment. The parts apply in this order:

        1. `told` and `ledger` replace what was there; None removes it.
        2. `delivered`, `filtered`, `adjusted`, `requests`, `retries` and `replayed` are added to the counters.
        3. `failures` are added. One may only replace a failure at its position that is being retried; it is not being
           retried anymore then. Then `resolved` failures are removed. A failure that exists and is not being retried,
           one without a refusal, or a `resolved` position without a failure is a contradiction: the call raises, but
           not `Unwritable`, and nothing is written.
        4. `absorbed`: held events of the key are the value's now. Then `released` events leave the held ones. One that
           was given up in the meantime was counted as filtered (`hold_expired`, `hold_full`, `hold_too_many`); that
           count goes down by one, since step 2 counts what happened to the event. Then `held` events are added.
        5. Of each person in `held` or in the values of `absorbed`, only the newest `HELD_FOR_ONE` events stay, and only
           `HELD_BYTES_FOR_ONE` bytes, but always the newest one. The others count as filtered (`hold_too_many`).
        6. `again_done` is removed from `again`. Then people are added with the kind `freed`: those who are known by one
           of the `freed` emails, at most `MOST_FREED` for each, if this connection told them something; the
           `unwritten`, and the `denied` whose email has no row, or one that says `left`.
        7. `replay_settled` is the replay's new `settled`. At `last`, the replay is over and removed.
        8. `lanes`: each position goes up to the given one, never down.

        `noted` is kept for the event log (`unlogged`).

        So `Counts.settled` plus the pending events is always the number of received ones.
        """
        ...

    async def lanes(self, connection: int) -> dict[int, int]:
        """Up to which position a lane is settled, for the lanes that a settlement named."""
        ...

    async def counts(self, connection: int) -> Counts:
        """The counters. Zeros are left out. `held` and `failures` count what is there now, failures by the reason of
        their first refusal.
        """
        ...

    async def unlogged(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[Unlogged]:
        """What the event log has not taken yet, in order: `Settlement.noted`, and what becomes of events without a
        settlement: discarded or expired failures, held events that are given up. At most `limit` behind that number,
        and `most_bytes` of what was sent, but always at least one if there is any."""
        ...

    async def drop_unlogged(self, most_bytes: int) -> int:
        """The event log cannot take anything: remove the oldest of what waits for it, as far as all of it takes more
        than that. Returns how many were removed.
        """
        ...

    async def logged(self, up_to: int) -> int:
        """The event log has everything up to this number. Returns the newest number that was ever given."""
        ...

    async def run_counts(self, connection: int, run: int) -> dict[str, int]:
        """The results of a run's events at this connection: the sums of `Settlement.runs`."""
        ...

    async def drop_runs(self, runs: Collection[int]) -> None:
        """Forget the results of these runs, at all connections."""
        ...

    # people

    async def options_changed(self, connection: int, now_ms: int) -> None:
        """The connection's options changed: add everyone with held events to `again`, as `release`, and set
        `Told.due_ms` to now where it is `WAITS_MS`."""
        ...

    async def expire_held(self, connection: int, *, received_before_ms: int, most_bytes: int) -> int:
        """Give up held events: those received before that time (filtered as `hold_expired`), then the oldest as long as
        the connection's held events take more than `most_bytes` (`hold_full`). Returns how many.
        """
        ...

    async def close(self) -> None: ...
