"""Whose the store is: a lease in the database, extended while this process lives, and the fence in every write.

A process that is late with extending it may have lost the store to another one. It then can write nothing, and sends no
request that it did not begin before. PostgreSQL's clock decides, so the machines' clocks do not matter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.link import Link, close, firsts, rows, value
from hogline.store.postgresql.presence import SENDS, Myself, Presence, end_connections, entered, leave
from hogline.store.postgresql.presence import SQL as PRESENCE
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.trouble import LOST
from hogline.store.shared import OwnedByOther

SQL = queries("claim")

WAIT_FOR_OTHER_S = 10.0
"""Another command may hold the store for a moment."""
LOOK_EVERY_S = 0.25
COMMAND = Myself(role="command")


class Claim(Presence):
    """The store is this process's until `release`."""

    name = "lease"
    knows = True
    journal_writer, state_writer = "journal", "state"

    def __init__(self, url: str, link: Link, myself: Myself, epoch: int, *, was_killed: bool) -> None:
        """`was_killed`: the last owner did not release it."""
        self.epoch = epoch
        self.was_killed = was_killed
        self.is_full = False
        """Too many events wait. The others know it after a beat."""
        self.topics: Sequence[str] = ()
        """Into which other processes put events."""
        super().__init__(url, link, myself)

    @property
    def identity(self) -> dict[str, object]:
        """For the queries that check it."""
        return {"owner": self.myself.id, "epoch": self.epoch}

    def _beat(self, link: Link) -> bool:
        if value(link, SQL["beat"], {**self.identity, **_times(self.myself), "is_full": self.is_full}) is None:
            self.lose()
            return False
        self.topics = firsts(rows(link, SQL["topics"]))
        super()._beat(link)
        # Here, because whatever else this process does may be waiting for one of them.
        end_connections(link, firsts(rows(link, PRESENCE["late"])))
        return True

    def _leave(self, link: Link) -> None:
        if self.trouble != LOST:
            link.execute(SQL["release"], self.identity)
        super()._leave(link)


async def claimed(
    url: str,
    vault: Vault,
    myself: Myself = COMMAND,
    *,
    wait_s: float | None = WAIT_FOR_OTHER_S,
    waits: Callable[[], None] = lambda: None,
) -> Claim:
    """Creates or upgrades the tables, and takes the store. None: waits as long as it takes. `waits` is called once
    another process has it. Raises `psycopg.Error`, and `Unusable`, also if another process has it all the while or it
    was made with another key for secrets.
    """
    link = await asyncio.to_thread(entered, url, vault, myself, Claim.name)
    try:
        epoch, was_killed = await _waited_for(link, myself, wait_s, waits)
    except BaseException:
        await asyncio.to_thread(_give_up, url, link, myself)
        raise
    return Claim(url, link, myself, epoch, was_killed=was_killed)


async def _waited_for(link: Link, myself: Myself, wait_s: float | None, waits: Callable[[], None]) -> tuple[int, bool]:
    beat_s = time.monotonic()
    until_s = None if wait_s is None else beat_s + wait_s
    while (taken := await asyncio.to_thread(_try, link, myself)) is None:
        waits()
        now_s = time.monotonic()
        if until_s is not None and now_s >= until_s:
            holder = value(link, SQL["holder"]) or "another machine"
            raise OwnedByOther(
                f"Another Hogline on {holder} is running on this store. Stop it, or start this one with "
                "`hogline serve --only deliver`, which waits for its turn."
            )
        if now_s > beat_s + myself.beat_s:
            await asyncio.to_thread(link.execute, PRESENCE["announce"], myself.row)
            beat_s = now_s
        await asyncio.sleep(LOOK_EVERY_S)
    return taken


def _times(myself: Myself) -> dict[str, object]:
    return {"lease_s": myself.lease_s, "sends_s": SENDS * myself.lease_s}


def _try(link: Link, myself: Myself) -> tuple[int, bool] | None:
    """The epoch, if the store is free, and whether its last owner did not release it. The
    connections of that owner are ended first: it may be frozen within a transaction."""
    with link.transaction():
        given = {"owner": myself.id, "host": myself.row["host"], "place": myself.place, **_times(myself)}
        for epoch, before in rows(link, SQL["take"], given):
            end_connections(link, [before] if before else [])
            link.execute(SQL["take_writers"], {"owner": myself.id, "epoch": epoch})
            link.execute(SQL["bury_writers"])
            link.execute(SQL["bury"])
            return epoch, before is not None
    return None


def _give_up(url: str, link: Link, myself: Myself) -> None:
    with link.lock:  # another thread may be taking it
        close(link)

    def leaves(leaving: Link) -> None:
        leaving.execute(SQL["let_go"], {"owner": myself.id})  # it may just have been taken
        leaving.execute(PRESENCE["leave"], {"id": myself.id})

    leave(url, leaves)
