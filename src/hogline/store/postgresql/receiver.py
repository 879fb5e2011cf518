"""What a process needs that only receives: the journal's end, and what the owner of the store changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hogline.store.datadir.secrets import Vault
from hogline.store.forgetting import Suppressed
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.link import Row, firsts
from hogline.store.postgresql.presence import Guest
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.turns import in_turns

SQL = queries("receiver")

LOOK_EVERY_S = 1.0
READ_WITHIN_S = 10.0


class PostgresqlReceiver:
    """Implements `store.shared.Receiver`."""

    def __init__(self, guest: Guest, vault: Vault, time_ms: Callable[[], int]) -> None:
        """Raises `psycopg.Error`. Blocks; create it in the running event loop."""
        self.journal = PostgresqlJournal(guest, time_ms)
        self.suppressed = Suppressed(vault.fingerprint)
        self.is_full = False
        self.bytes = 0
        self.lost = guest.lost
        self._guest = guest
        self._vault = vault
        self._reading = guest.reading("receiver", within_s=READ_WITHIN_S, reopens_itself=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="receiver-read")
        self._seen: dict[str, int] = {}

    def listens(self, address: str) -> None:
        self._guest.address = address
        self._guest.look()

    async def look(self, tokens: Callable[[Sequence[str], Sequence[str]], None]) -> None:
        """Know what has changed since the last time. `tokens` is given the private and the public ones if they did.
        Raises `Unwritable`.
        """
        looked = (await self._rows("looked"))[0]
        self.is_full, self.bytes = looked[0], looked[1]
        changed: dict[str, int] = dict(await self._rows("changed"))
        if changed["tokens"] != self._seen.get("tokens"):
            found = [(kind, self._vault.decrypt(token).decode()) for kind, token in await self._rows("tokens")]
            tokens([one for kind, one in found if kind == "private"], [one for kind, one in found if kind == "public"])
        if changed["suppressed"] != self._seen.get("suppressed"):
            self.suppressed.replace(firsts(await self._rows("suppressed")))
        self._seen = changed

    async def follow(self, tokens: Callable[[Sequence[str], Sequence[str]], None]) -> None:
        """Look every second, until it is cancelled."""
        await in_turns(lambda: self.look(tokens), LOOK_EVERY_S, "looking for new tokens and suppressed people")

    async def _rows(self, name: str) -> list[Row]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._reading.rows, SQL[name])

    async def close(self) -> None:
        await self.journal.close()
        await asyncio.to_thread(self._thread.shutdown)
        self._reading.close()
