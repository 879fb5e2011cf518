"""A process among those that use the store. Every few seconds it says that it lives, and hears whether PostgreSQL
does."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import structlog
from msgspec import Struct, field

from hogline import __version__
from hogline.core.lanes import LANES
from hogline.store.base import Unusable
from hogline.store.crew import most_lanes
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.link import Link, Values, close, connect, end, rows, value
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.reading import Reading
from hogline.store.postgresql.schema import migrate
from hogline.store.postgresql.trouble import LOST, Late, sentence_of
from hogline.store.shared import Behind, Worker, Workers

log = structlog.get_logger("hogline.store")

SQL = queries("presence")

SENDS = 0.5
"""Requests may still begin for this part of the lease after the last good beat."""
BEATS = 6
"""In the time of a lease."""
AGAIN_S = 1.0
LEAVES_WITHIN_S = 5.0
FAILED_OVER = (
    "PostgreSQL failed over to another server, or was restored. Events that it had not received are lost, even if "
    "their sender got an answer. Hogline continues from what it has."
)
_BEGAN = datetime.now(UTC)


class Myself(Struct, frozen=True, kw_only=True):
    """What this process tells the others."""

    role: str
    lease_s: float = 30.0
    """Without a sign of life for this long, the owner of the store has lost it."""
    topic: str = ""
    """The address of the topic into which it puts events; empty: it puts none into Kafka."""
    place: str | None = None
    """The lock that this process holds on its data directory; see `DataDirectory.place`."""
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def named(self, connection: str) -> str:
        """The name of a connection of this process, by which the others can end it."""
        return f"{self.id} {connection}"

    @property
    def beat_s(self) -> float:
        return self.lease_s / BEATS

    @property
    def row(self) -> Values:
        return {
            "id": self.id,
            "role": self.role,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "began": _BEGAN,
            "address": "",
            "lease_s": self.lease_s,
            "topic": self.topic,
        }


def end_connections(link: Link, processes: Sequence[uuid.UUID]) -> None:
    """Of processes that are taken for dead: one that froze within a transaction would hold up everybody. PostgreSQL
    rolls the transaction back. Raises `psycopg.Error`."""
    if processes:
        which = b"split_part(application_name, ' ', 2) IN (SELECT unnest(%(processes)s::uuid[])::text)"
        end(link, which, {"processes": list(processes)})


def leave(url: str, leaves: Callable[[Link], None]) -> None:
    """Tell the others that a process is gone, if PostgreSQL is there. The connection is not named after the process:
    those that are end if it was taken for dead."""
    link = None
    with suppress(psycopg.Error):
        link = connect(url, "leaving", within_s=LEAVES_WITHIN_S)
        leaves(link)
    close(link)


def timeline(link: Link) -> str:
    """It changes when a standby is promoted or a backup restored. "": PostgreSQL does not say. Raises `psycopg.Error`,
    also on a standby."""
    try:
        found: str | None = value(link, SQL["timeline"])
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
        return ""
    if found is None:
        raise psycopg.errors.ReadOnlySqlTransaction("a standby")
    return found


class Presence:
    """It may not write until it is a `Guest` or has the `Claim`. `trouble`: why PostgreSQL cannot be used now."""

    name = "presence"
    knows = False
    """This process has more in memory than what it was asked: if commits are lost, that is wrong."""

    def __init__(self, url: str, link: Link, myself: Myself) -> None:
        """`link` becomes this one's. Create it in the running event loop. Raises `psycopg.Error`."""
        self.url = url
        self._timeline = timeline(link)
        self.myself = myself
        self.address = ""
        """Where it listens."""
        self.trouble: str | None = None
        self._link: Link | None = link
        link.within_s = myself.beat_s  # type: ignore[attr-defined]  # `connect` made it
        self._loop = asyncio.get_running_loop()
        self.lost = asyncio.Event()
        """This process may write nothing more: another has taken over, or it was taken for dead."""
        self._reopened: list[Reading] = []
        self._good_s = time.monotonic()
        self._late = False
        """PostgreSQL did not answer in time."""
        self._losses = 0
        """How often that meant lost connections: the next one was answered, or could not be opened. Otherwise it may be
        a lock."""
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=f"store-{self.name}", daemon=True)
        self._thread.start()

    def reading(self, name: str, *, within_s: float, reopens_itself: bool) -> Reading:
        """A connection for reading. One that does not reopen itself is reopened here. Raises `psycopg.Error`."""
        made = Reading(
            self.url,
            self.myself.named(name),
            within_s=within_s,
            reopens_itself=reopens_itself,
            broken=self.look,
            opened=self.watch,
        )
        made.reopen()
        if not reopens_itself:
            self._reopened.append(made)
        return made

    def watch(self, link: Link, gives_up: Callable[[], bool] = lambda: False) -> None:
        """Stop waiting for an answer on this connection once another one of the same age proves to be lost, or once
        `gives_up` says so."""
        began = self._losses
        link.is_lost = lambda: self._losses != began or gives_up()  # type: ignore[attr-defined]  # `connect` made it

    def look(self) -> None:
        """See now whether PostgreSQL is there. From any thread."""
        self._wake.set()

    async def holding(self) -> None:
        """Returns as soon as it is certain that no other process has what this one may do."""
        while time.monotonic() - self._good_s > SENDS * self.myself.lease_s or self.lost.is_set():
            await asyncio.sleep(0.1)

    def recognizes(self, link: Link) -> bool:
        """Whether PostgreSQL has everything at this new connection that was committed before, as far as this process
        needs it. If not, it is lost. From any thread. Raises `psycopg.Error`."""
        now = timeline(link)
        if now == self._timeline:
            return True
        self._timeline = now
        log.error(FAILED_OVER)
        if self.knows:
            self.lose()
        return not self.knows

    def lose(self) -> None:
        """A write was fenced off. From any thread."""
        if self.trouble != LOST:
            log.error("this process may write nothing more to the store")
        self.trouble = LOST
        self._loop.call_soon_threadsafe(self.lost.set)

    async def release(self) -> None:
        """Tell the others that this process is gone. Nothing is written afterwards."""
        self._over = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._over:
            self._wake.wait(AGAIN_S if self.trouble else self.myself.beat_s)
            self._wake.clear()
            if self.trouble == LOST:
                break
            if not self._over:
                self._look_after()
        leave(self.url, self._leave)
        close(self._link)

    def _look_after(self) -> None:
        try:
            was_away = self._link is None
            if self._link is None:
                self._link = connect(self.url, self.myself.named(self.name), self.myself.beat_s)
                if not self.recognizes(self._link):
                    return
            began_s = time.monotonic()
            if self._beat(self._link):
                self._good_s = began_s
                self._note_loss(is_late=False)
            for one in self._reopened:
                one.renew() if was_away else one.reopen()
        except Exception as error:  # whatever it is: without the next beat, the store is lost
            self._note_loss(is_late=isinstance(error, Late))
            sentence = str(error) if isinstance(error, Unusable) else sentence_of(error)
            if self.trouble is None:
                log.warning("PostgreSQL cannot be used", reason=sentence)
            self.trouble = sentence
            close(self._link)
            self._link = None
        else:
            if self.trouble not in {None, LOST}:
                log.info("PostgreSQL can be used again")
                self.trouble = None

    def _note_loss(self, *, is_late: bool) -> None:
        if self._late and not is_late:
            self._losses += 1
        self._late = is_late

    def _beat(self, link: Link) -> bool:
        """A sign of life. False: this process may write nothing more."""
        link.execute(SQL["announce"], {**self.myself.row, "address": self.address})
        return True

    def _leave(self, link: Link) -> None:
        """Nothing is written afterwards. Raises `psycopg.Error`."""
        link.execute(SQL["leave"], {"id": self.myself.id})


class Guest(Presence):
    """May append to the journal beside the owner, and counts its transactions."""

    name = "guest"

    @property
    def identity(self) -> dict[str, object]:
        """For the queries that check it."""
        return {"owner": self.myself.id, "epoch": 0}

    @property
    def journal_writer(self) -> str:
        """Its row of `writer`."""
        return f"guest {self.myself.id}"

    def _leave(self, link: Link) -> None:
        link.execute(SQL["no_writer"], {"name": self.journal_writer})
        super()._leave(link)


class Hand(Guest):
    """May also write the state beside the owner, for the lanes that it was given."""

    name = "hand"
    knows = True

    @property
    def state_writer(self) -> str:
        """Its row of `writer`."""
        return f"hand {self.myself.id}"

    def _beat(self, link: Link) -> bool:
        if value(link, SQL["beat_hand"], {"id": self.myself.id}) is None:
            self.lose()
            return False
        return super()._beat(link)

    def _leave(self, link: Link) -> None:
        link.execute(SQL["no_hand"], {"id": self.myself.id})
        link.execute(SQL["no_writer"], {"name": self.state_writer})
        super()._leave(link)


def entered_as_hand(url: str, vault: Vault, myself: Myself) -> Link:
    """A connection to a store whose owner may give something to this process. Raises as `joined`."""
    link = entered(url, vault, myself, Hand.name)
    try:
        with link.transaction():
            link.execute(SQL["new_hand"], {"id": myself.id, "lease_s": myself.lease_s})
            for name in (f"guest {myself.id}", f"hand {myself.id}"):
                link.execute(SQL["new_writer"], {"name": name, "owner": myself.id, "epoch": 0})
    except BaseException:
        close(link)
        raise
    return link


async def joined(url: str, vault: Vault, myself: Myself) -> Guest:
    """Creates or upgrades the tables if needed. Raises `psycopg.Error`, and `Unusable`, also for another key."""
    link = await asyncio.to_thread(entered, url, vault, myself, Guest.name)
    guest = Guest(url, link, myself)
    try:
        link.execute(SQL["new_writer"], {"name": guest.journal_writer, **guest.identity})
    except BaseException:
        await guest.release()
        raise
    return guest


def entered(url: str, vault: Vault, myself: Myself, name: str) -> Link:
    """A connection to a store that this process may use, and is known in. Raises as `joined`."""
    link = usable(url, vault, myself.named(name))
    try:
        link.execute(SQL["announce"], myself.row)
    except BaseException:
        close(link)
        raise
    return link


def usable(url: str, vault: Vault, name: str) -> Link:
    """A connection to a store that this process may use. Raises as `joined`."""
    link = connect(url, name)
    try:
        migrate(link)
        _check_key(link, vault)
    except BaseException:
        close(link)
        raise
    return link


def workers(url: str, vault: Vault) -> Workers:
    """Who uses the store now. Raises `psycopg.Error` and `Unusable`."""
    link = usable(url, vault, "workers")
    try:
        found = rows(link, SQL["processes"])
        behind = rows(link, SQL["behind"], {"lanes": LANES})
    finally:
        close(link)
    given = [(0 if row[-1] is None else most_lanes(row[-1])) for row in found]
    left = LANES - sum(given)
    return Workers(
        workers=[
            Worker(
                role=role,
                host=host,
                pid=pid,
                version=version,
                address=address,
                began_ms=began_ms,
                seen_s=seen_s,
                alive=alive,
                owns=owns,
                lanes=left if owns else lanes,
            )
            for (role, host, pid, version, address, began_ms, seen_s, alive, owns, _), lanes in zip(
                found, given, strict=True
            )
        ],
        connections=[Behind(connection=name, pending=pending, lag_s=lag_s) for name, pending, lag_s in behind],
    )


def _check_key(link: Link, vault: Vault) -> None:
    check = vault.fingerprint("hogline")
    # Only the first process writes it: the others would have to wait if somebody is changing that row.
    if value(link, SQL["key_check"]) != check and not value(link, SQL["check_key"], {"check": check}):
        raise Unusable(
            "The store in PostgreSQL was made with another HOGLINE_SECRET_KEY. Set that key: without it, the "
            "credentials in the store cannot be read."
        )
