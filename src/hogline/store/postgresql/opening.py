"""Opens the store in PostgreSQL, and lets it go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.audit import PostgresqlAudit
from hogline.store.postgresql.claim import Claim, claimed
from hogline.store.postgresql.event_log import PostgresqlEventLog
from hogline.store.postgresql.figures import PostgresqlFigures
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.link import AWAY, Fenced, sentence_of, trouble_of
from hogline.store.postgresql.small_files import SmallFiles
from hogline.store.postgresql.state import PostgresqlState

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


@asynccontextmanager
async def opened(url: str, vault: Vault, folder: Path, time_ms: Callable[[], int]) -> AsyncIterator[Opened]:
    """The stores, open as long as the context lasts. Raises `Unusable`, also if another process has the store."""
    until_s = time.monotonic() + WAIT_S
    while True:
        try:
            async with AsyncExitStack() as stack:
                stores = await _open(stack, url, vault, time_ms)
                files = SmallFiles(folder, vault, stores.state.perform)
                files.fetch(await stores.state.small_files())
                opening = stack.pop_all()
                break
        except (psycopg.Error, Fenced, Unwritable) as error:
            sentence = str(error) if isinstance(error, Unwritable) else trouble_of(error) or sentence_of(error)
            if sentence != AWAY:
                raise Unusable(sentence) from None
            if time.monotonic() >= until_s:
                raise Unusable(AWAY_AT_FIRST) from None
        await asyncio.sleep(AGAIN_S)
    async with opening:
        syncing = asyncio.create_task(files.run(), name="small files")
        try:
            yield stores
        finally:
            syncing.cancel()
            await asyncio.gather(syncing, return_exceptions=True)
            with suppress(Unwritable, OSError):
                await files.sync()


async def _open(stack: AsyncExitStack, url: str, vault: Vault, time_ms: Callable[[], int]) -> Opened:
    claim = await claimed(url, vault)
    stack.push_async_callback(claim.release)
    journal = PostgresqlJournal(claim, time_ms)
    stack.push_async_callback(journal.close)
    state = PostgresqlState(claim, vault)
    stack.push_async_callback(state.close)
    aside = Aside(url)
    stack.push_async_callback(aside.close)
    events = PostgresqlEventLog(aside)
    await events.ready()
    return Opened(journal, state, events, PostgresqlFigures(aside), PostgresqlAudit(aside), claim)
