"""Opens the store in PostgreSQL, and lets it go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg

from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.audit import PostgresqlAudit
from hogline.store.postgresql.claim import Claim, claimed
from hogline.store.postgresql.crew import PostgresqlBoard, PostgresqlSeat
from hogline.store.postgresql.event_log import PostgresqlEventLog
from hogline.store.postgresql.figures import PostgresqlFigures
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.link import close
from hogline.store.postgresql.presence import Hand, Myself, Presence, entered, entered_as_hand, joined, usable, workers
from hogline.store.postgresql.receiver import PostgresqlReceiver
from hogline.store.postgresql.small_files import SmallFiles
from hogline.store.postgresql.state import PostgresqlState
from hogline.store.postgresql.tasks import PostgresqlAnswers, PostgresqlAsks
from hogline.store.postgresql.trouble import AWAY, LOST, PASSING, Fenced, sentence_of, trouble_of
from hogline.store.shared import Changing, Joining, Workers

T = TypeVar("T")

AWAY_AT_FIRST = "PostgreSQL cannot be reached at HOGLINE_STORE. Is it running, and is the URL right?"
WAIT_S = 10.0
"""It may be starting, too."""
AGAIN_S = 0.5


class Opened(NamedTuple):
    journal: PostgresqlJournal
    state: PostgresqlState
    events: PostgresqlEventLog
    figures: PostgresqlFigures
    audit: PostgresqlAudit
    hold: Claim
    answers: PostgresqlAnswers
    changing: Changing
    board: PostgresqlBoard


class OpenedHand(NamedTuple):
    journal: PostgresqlJournal
    state: PostgresqlState
    seat: PostgresqlSeat
    hold: Hand


@asynccontextmanager
async def hand(url: str, vault: Vault, time_ms: Callable[[], int], myself: Myself) -> AsyncIterator[OpenedHand]:
    """What a process needs that carries lanes for the owner, as long as the context lasts. Raises `Unusable`."""

    async def once(stack: AsyncExitStack) -> OpenedHand:
        entering = asyncio.create_task(asyncio.to_thread(entered_as_hand, url, vault, myself))
        try:
            one = Hand(url, await asyncio.shield(entering), myself)
        except asyncio.CancelledError:
            await Hand(url, await entering, myself).release()  # the owner would wait for it
            raise
        stack.push_async_callback(one.release)
        journal = PostgresqlJournal(one, time_ms)
        stack.push_async_callback(journal.close)
        state = PostgresqlState(one, vault)
        stack.push_async_callback(state.close)
        return OpenedHand(journal, state, PostgresqlSeat(one, state), one)

    async with AsyncExitStack() as opening:
        stores = await _tried(opening, once)
        following = asyncio.create_task(stores.journal.follow(), name="journal's end")
        try:
            yield stores
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def opened(
    url: str, vault: Vault, folder: Path, time_ms: Callable[[], int], *, myself: Myself, joining: Joining
) -> AsyncIterator[Opened]:
    """The stores, open as long as the context lasts. Raises `Unusable`, also if another process has the store."""

    async def once(stack: AsyncExitStack) -> tuple[Opened, SmallFiles]:
        claim = await claimed(url, vault, myself, wait_s=joining.wait_s, waits=joining.waits)
        stack.push_async_callback(claim.release)
        await joining.taken()
        journal = PostgresqlJournal(claim, time_ms)
        stack.push_async_callback(journal.close)
        state = PostgresqlState(claim, vault)
        stack.push_async_callback(state.close)
        aside = Aside(url, myself.named("logs"))
        stack.push_async_callback(aside.close)
        events = PostgresqlEventLog(aside)
        await events.ready()
        files = SmallFiles(folder, vault, aside)
        await files.fetch()
        answers = PostgresqlAnswers(claim, vault)
        stack.push_async_callback(answers.close)
        figures, audit = PostgresqlFigures(aside), PostgresqlAudit(aside)
        return Opened(
            journal, state, events, figures, audit, claim, answers, files.changing, PostgresqlBoard(state)
        ), files

    async with AsyncExitStack() as opening:
        stores, files = await _tried(opening, once)
        beside = [
            asyncio.create_task(files.run(), name="small files"),
            asyncio.create_task(stores.journal.follow(), name="journal's end"),
        ]
        try:
            yield stores
        finally:
            for one in beside:
                one.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            with suppress(Unwritable, Unusable):
                await files.sync()


@asynccontextmanager
async def receiver(
    url: str, vault: Vault, time_ms: Callable[[], int], myself: Myself
) -> AsyncIterator[PostgresqlReceiver]:
    """A place to append events, beside the process that owns the store. Raises `Unusable`."""

    async def once(stack: AsyncExitStack) -> PostgresqlReceiver:
        guest = await joined(url, vault, myself)
        stack.push_async_callback(guest.release)
        made = PostgresqlReceiver(guest, vault, time_ms)
        stack.push_async_callback(made.close)
        return made

    async with AsyncExitStack() as opening:
        yield await _tried(opening, once)


@asynccontextmanager
async def asks(url: str, vault: Vault) -> AsyncIterator[PostgresqlAsks]:
    """A way to the owner of the store. Raises `Unusable`."""

    async def once(stack: AsyncExitStack) -> PostgresqlAsks:
        close(await asyncio.to_thread(usable, url, vault, "asks"))
        made = PostgresqlAsks(url, vault)
        stack.push_async_callback(made.close)
        return made

    async with AsyncExitStack() as opening:
        yield await _tried(opening, once)


@asynccontextmanager
async def desk(
    url: str, vault: Vault, folder: Path, myself: Myself
) -> AsyncIterator[tuple[PostgresqlAudit, PostgresqlAsks, Changing]]:
    """What pages need, beside the process that owns the store. Raises `Unusable`."""

    async def once(stack: AsyncExitStack) -> tuple[PostgresqlAudit, PostgresqlAsks, SmallFiles]:
        link = await asyncio.to_thread(entered, url, vault, myself, Presence.name)
        stack.push_async_callback(Presence(url, link, myself).release)
        aside = Aside(url, myself.named("logs"))
        stack.push_async_callback(aside.close)
        files = SmallFiles(folder, vault, aside)
        await files.fetch()
        asking = PostgresqlAsks(url, vault)
        stack.push_async_callback(asking.close)
        return PostgresqlAudit(aside), asking, files

    async with AsyncExitStack() as opening:
        audit, asking, files = await _tried(opening, once)
        syncing = asyncio.create_task(files.run(), name="small files")
        try:
            yield audit, asking, files.changing
        finally:
            syncing.cancel()
            await asyncio.gather(syncing, return_exceptions=True)
            with suppress(Unwritable, Unusable):
                await files.sync()


async def workers_of(url: str, vault: Vault) -> Workers:
    """Who uses the store now. Raises `Unusable`."""
    try:
        return await asyncio.to_thread(workers, url, vault)
    except psycopg.Error as error:
        sentence = trouble_of(error) or sentence_of(error)
        raise Unusable(AWAY_AT_FIRST if sentence == AWAY else sentence) from None


async def _tried(opening: AsyncExitStack, once: Callable[[AsyncExitStack], Awaitable[T]]) -> T:
    """What `once` opens, and `opening` closes. Waits for a while if PostgreSQL is away. Raises `Unusable`, and
    `Unwritable` if another process took over meanwhile: with a new `Myself`, it can be opened again.
    """
    until_s = time.monotonic() + WAIT_S
    while True:
        try:
            async with AsyncExitStack() as stack:
                made = await once(stack)
                opening.push_async_exit(stack.pop_all())
                return made
        except (psycopg.Error, Fenced, Unwritable) as error:
            sentence = str(error) if isinstance(error, Unwritable) else trouble_of(error) or sentence_of(error)
            if sentence == LOST:
                raise Unwritable(LOST) from None
            if sentence not in PASSING or time.monotonic() >= until_s:
                raise Unusable(AWAY_AT_FIRST if sentence == AWAY else sentence) from None
        await asyncio.sleep(AGAIN_S)
