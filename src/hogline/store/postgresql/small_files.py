"""Small files of the data directory, kept in the store too: accounts, API tokens, sources, alerts.

A host without a lasting disk starts with an empty data directory, and finds them again. The store's files replace the
directory's, except those that were changed there while nothing was running, with `hogline password` for example.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import structlog

from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.private_files import write_whole
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.link import Link, Row, execute
from hogline.store.postgresql.queries import queries

log = structlog.get_logger("hogline.store")

SQL = queries("small_files")

NAMES = ("console.json", "api_tokens.json", "sources.json", "alerts.json", "first-password")
SYNCED = "synced.json"
"""In the data directory: when each file had been changed last, the last time that both were the same."""
EVERY_S = 1.0

Write = Callable[[Callable[[Link], object]], Awaitable[object]]


class SmallFiles:
    def __init__(self, folder: Path, vault: Vault, write: Write) -> None:
        """`write` performs a job in a transaction of the state."""
        self._folder = folder
        self._vault = vault
        self._write = write
        self._synced: dict[str, int] = {}

    def fetch(self, kept: list[Row]) -> None:
        """Make the directory's files those of the store. Raises `Unusable`."""
        try:
            before = msgspec.json.decode((self._folder / SYNCED).read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError):
            before = {}
        try:
            for name, changed_ns, content in kept:
                is_changed_here = before.get(name) == changed_ns and self._changed_ns(name) != changed_ns
                if name in NAMES and not is_changed_here:
                    write_whole(self._folder / name, self._vault.decrypt(content))
                    os.utime(self._folder / name, ns=(changed_ns, changed_ns))
                self._synced[name] = changed_ns
        except OSError as error:
            raise Unusable(f"Cannot write to the data directory ({error.strerror}).") from None

    async def run(self) -> None:
        """Keep the store's up to date until it is cancelled. A change may be lost if the process is killed within a
        second; what then comes again is a fetched stretch of events, which the journal has counted.
        """
        while True:
            try:
                await self.sync()
            except Unwritable:
                pass  # told elsewhere; the next turn comes soon
            except OSError as error:
                log.warning("files of the data directory cannot be kept in the store", why=error.strerror)
            await asyncio.sleep(EVERY_S)

    async def sync(self) -> None:
        """Write what changed. Raises `Unwritable` and OSError."""
        changed = False
        for name in NAMES:
            changed_ns = self._changed_ns(name)
            if changed_ns == self._synced.get(name, 0):
                continue
            if changed_ns:
                content = self._vault.encrypt((self._folder / name).read_bytes())
                given: dict[str, object] = {"name": name, "changed_ns": changed_ns, "content": content}
                await self._write(partial(_execute, SQL["put"], given))
                self._synced[name] = changed_ns
            else:
                await self._write(partial(_execute, SQL["remove"], {"name": name}))
                del self._synced[name]
            changed = True
        if changed:
            write_whole(self._folder / SYNCED, msgspec.json.encode(self._synced))

    def _changed_ns(self, name: str) -> int:
        """0: it is not there."""
        try:
            return (self._folder / name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def _execute(query: bytes, given: dict[str, object], link: Link) -> None:
    execute(link, query, given)
