"""The store on PostgreSQL passes the suite that every store passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from hogline.store.base import Journal, State
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.claim import Claim, claimed
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.state import PostgresqlState
from hogline.testing.stores import store_suite
from hogline.testing.stores.words import NOW_MS, Store

pytestmark = pytest.mark.anyio


class PostgresqlStore:
    def __init__(self, url: str, claim: Claim, vault: Vault) -> None:
        self.now_ms = NOW_MS
        self._url, self._claim, self._vault = url, claim, vault

    async def journal(self) -> Journal:
        return PostgresqlJournal(self._claim, lambda: self.now_ms)

    async def state(self) -> State:
        return PostgresqlState(self._claim, self._vault)

    async def kept(self) -> bytes:
        """All rows of all tables. What PostgreSQL keeps beyond that in its files is not Hogline's."""
        return await asyncio.to_thread(self._rows)

    def _rows(self) -> bytes:
        found = b""
        with psycopg.connect(self._url) as link:
            for (table,) in link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'hogline'").fetchall():
                with link.cursor().copy(f"COPY hogline.{table} TO STDOUT (FORMAT binary)".encode()) as rows:
                    found += b"".join(map(bytes, rows))
        return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    vault = Vault(Vault.new_key())
    claim = await claimed(url, vault)
    yield PostgresqlStore(url, claim, vault)
    await claim.release()


globals().update(store_suite())
