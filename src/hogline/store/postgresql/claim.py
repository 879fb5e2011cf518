"""Whose the store is: a lease in the database, extended while this process lives, and the fence in every write.

A process that is late with extending it may have lost the store to another one. It then can write nothing, and sends no
request that it did not begin before. PostgreSQL's clock decides, so the machines' clocks do not matter.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import uuid
from contextlib import suppress

import psycopg
import structlog

from hogline.store.base import Unusable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.link import LOST, Link, Reading, close, connect, sentence_of, value
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.schema import migrate

log = structlog.get_logger("hogline.store")

SQL = queries("claim")

LEASE_S = 30
BEAT_S = 5.0
SEND_WITHIN_S = 15.0
"""After the last good beat, requests may still begin for this long: half of the lease."""
ANSWER_WITHIN_S = 5.0
AGAIN_S = 1.0
WAIT_FOR_OTHER_S = 10.0
"""Another command may hold the store for a moment."""


class Claim:
    """The store is this process's until `release`. `trouble`: why PostgreSQL cannot be used now."""

    def __init__(self, url: str, link: Link, owner: uuid.UUID, epoch: int) -> None:
        self.url = url
        self.owner = owner
        self.epoch = epoch
        self.trouble: str | None = None
        self._link: Link | None = link
        self._loop = asyncio.get_running_loop()
        self.lost = asyncio.Event()
        """Another process has taken over."""
        self._reopened: list[Reading] = []
        self._good_s = time.monotonic()
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="store-lease", daemon=True)
        self._thread.start()

    @property
    def identity(self) -> dict[str, object]:
        """For the queries that check it."""
        return {"owner": self.owner, "epoch": self.epoch}

    def reading(self, name: str, *, within_s: float, reopens_itself: bool) -> Reading:
        """A connection for reading. One that does not reopen itself is reopened here. Raises `psycopg.Error`."""
        made = Reading(self.url, name, within_s=within_s, reopens_itself=reopens_itself, broken=self.look)
        made.reopen()
        if not reopens_itself:
            self._reopened.append(made)
        return made

    def look(self) -> None:
        """See now whether PostgreSQL is there. From any thread."""
        self._wake.set()

    async def holding(self) -> None:
        """Returns as soon as it is certain that no other process owns the store."""
        while time.monotonic() - self._good_s > SEND_WITHIN_S or self.lost.is_set():
            await asyncio.sleep(0.1)

    def lose(self) -> None:
        """A write was fenced off. From any thread."""
        if self.trouble != LOST:
            log.error("another Hogline has taken over the store")
        self.trouble = LOST
        self._loop.call_soon_threadsafe(self.lost.set)

    async def release(self) -> None:
        """Let others have the store immediately. Nothing is written afterwards."""
        self._over = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._over:
            self._wake.wait(AGAIN_S if self.trouble else BEAT_S)
            self._wake.clear()
            if self.trouble == LOST:
                break
            if not self._over:
                self._look_after()
        if self._link is not None and self.trouble != LOST:
            with suppress(psycopg.Error):
                self._link.execute(SQL["release"], self.identity)
        close(self._link)

    def _look_after(self) -> None:
        try:
            self._beat()
            for one in self._reopened:
                one.reopen()
        except (psycopg.Error, Unusable) as error:
            sentence = sentence_of(error) if isinstance(error, psycopg.Error) else str(error)
            if self.trouble is None:
                log.warning("PostgreSQL cannot be used", reason=sentence)
            self.trouble = sentence
            close(self._link)
            self._link = None
        else:
            if self.trouble not in {None, LOST}:
                log.info("PostgreSQL can be used again")
                self.trouble = None

    def _beat(self) -> None:
        if self._link is None:
            self._link = connect(self.url, "lease", ANSWER_WITHIN_S)
        began_s = time.monotonic()
        if value(self._link, SQL["beat"], {**self.identity, "lease_s": LEASE_S}) is None:
            self.lose()
        else:
            self._good_s = began_s


async def claimed(url: str, vault: Vault, *, wait_s: float = WAIT_FOR_OTHER_S) -> Claim:
    """Creates or upgrades the tables, and takes the store. Raises `psycopg.Error`, and `Unusable`, also if another
    process has it or it was made with another key for secrets.
    """
    owner = uuid.uuid4()
    link, epoch = await asyncio.to_thread(_taken, url, vault, owner, wait_s)
    return Claim(url, link, owner, epoch)


def _taken(url: str, vault: Vault, owner: uuid.UUID, wait_s: float) -> tuple[Link, int]:
    link = connect(url, "lease")
    try:
        migrate(link)
        _check_key(link, vault)
        epoch = _waited_for(link, owner, wait_s)
    except BaseException:
        close(link)
        raise
    link.within_s = ANSWER_WITHIN_S  # type: ignore[attr-defined]  # `connect` made it
    return link, epoch


def _check_key(link: Link, vault: Vault) -> None:
    if not value(link, SQL["check_key"], {"check": vault.fingerprint("hogline")}):
        raise Unusable(
            "The store in PostgreSQL was made with another HOGLINE_SECRET_KEY. Set that key: without it, the "
            "credentials in the store cannot be read."
        )


def _waited_for(link: Link, owner: uuid.UUID, wait_s: float) -> int:
    until_s = time.monotonic() + wait_s
    while (epoch := _try(link, owner)) is None:
        if time.monotonic() >= until_s:
            holder = value(link, SQL["holder"]) or "another machine"
            raise Unusable(
                f"Another Hogline on {holder} is running on this store. Stop it, or run this command there: a store "
                "belongs to one process."
            )
        time.sleep(0.2)
    return epoch


def _try(link: Link, owner: uuid.UUID) -> int | None:
    """The epoch, if the store is free. Writes of its last owner that are under way end first."""
    with link.transaction():
        epoch: int | None = value(link, SQL["take"], {"owner": owner, "host": socket.gethostname(), "lease_s": LEASE_S})
        if epoch is not None:
            link.execute(SQL["take_writers"], {"owner": owner, "epoch": epoch})
    return epoch
