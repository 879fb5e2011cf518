"""Small files of the data directory, kept in the store too: accounts, API tokens, sources, alerts.

A host without a lasting disk starts with an empty data directory, and finds them again. The store's files replace the
directory's, except those that were changed there while nothing was running, with `hogline password` for example.
While it runs, what another process changed comes here within a second, and the other way round. None overwrites a
change that it has not seen.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.private_files import write_whole
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.link import rows
from hogline.store.postgresql.queries import queries

log = structlog.get_logger("hogline.store")

SQL = queries("small_files")

NAMES = ("console.json", "api_tokens.json", "sources.json", "alerts.json", "first-password")
SYNCED = "synced.json"
"""In the data directory: when each file had been changed last, the last time that both were the same."""
EVERY_S = 1.0


class SmallFiles:
    def __init__(self, folder: Path, vault: Vault, aside: Aside, *, wins: bool = False) -> None:
        """`wins`: if both were changed within a second, the change here counts. A console notes who signed in and which
        token was used; what the owner of the store was asked must not be lost because of that.
        """
        self._wins = wins
        self._folder = folder
        self._vault = vault
        self._aside = aside
        self._synced: dict[str, int] = {}

    async def fetch(self) -> None:
        """Make the directory's files those of the store. Raises `Unusable` and `Unwritable`."""
        try:
            before = msgspec.json.decode((self._folder / SYNCED).read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError):
            before = {}
        try:
            for name, changed_ns, content in await self._aside.rows(SQL["all"]):
                is_changed_here = before.get(name) == changed_ns and self._changed_ns(name) != changed_ns
                if name in NAMES and not is_changed_here:
                    self._write(name, changed_ns, content)
                self._synced[name] = changed_ns
        except OSError as error:
            raise Unusable(f"Cannot write to the data directory ({error.strerror}).") from None

    async def run(self) -> None:
        """Keep both up to date until it is cancelled. A change may be lost if the process is killed within a second;
        what then comes again is a fetched stretch of events, which the journal has counted.
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
        """Write what changed here, and take what others changed. Raises `Unwritable` and OSError."""
        theirs: dict[str, int] = dict(await self._aside.rows(SQL["changes"]))
        before = dict(self._synced)
        for name in NAMES:
            known_ns, changed_ns = self._synced.get(name, 0), self._changed_ns(name)
            if changed_ns != known_ns:
                if await self._put(name, known_ns, changed_ns):
                    continue
                if self._wins:  # if they are faster once more, the next turn is soon
                    await self._put(name, theirs.get(name, 0), changed_ns)
                    continue
                log.warning("a file was changed in two places within a second; the other change counts", file=name)
            elif theirs.get(name, 0) == known_ns:
                continue
            await self._take(name, changed_ns)
        if self._synced != before:
            write_whole(self._folder / SYNCED, msgspec.json.encode(self._synced))

    async def _put(self, name: str, known_ns: int, changed_ns: int) -> bool:
        """False: somebody else has changed it, too."""
        given: dict[str, object] = {"name": name, "before_ns": known_ns}
        if changed_ns:
            content = self._vault.encrypt((self._folder / name).read_bytes())
            given |= {"changed_ns": changed_ns, "content": content}
        query = SQL["put" if changed_ns else "remove"]
        if not await self._aside.write(lambda link: rows(link, query, given)):
            return False
        self._know(name, changed_ns)
        return True

    async def _take(self, name: str, changed_ns: int) -> None:
        """Unless it has been changed here since."""
        found = await self._aside.rows(SQL["content"], {"name": name})
        if self._changed_ns(name) != changed_ns:
            return
        for theirs_ns, content in found:
            self._write(name, theirs_ns, content)
        if not found:
            (self._folder / name).unlink(missing_ok=True)
            self._know(name, 0)

    def _write(self, name: str, changed_ns: int, content: bytes) -> None:
        write_whole(self._folder / name, self._vault.decrypt(content))
        os.utime(self._folder / name, ns=(changed_ns, changed_ns))
        self._know(name, changed_ns)

    def _know(self, name: str, changed_ns: int) -> None:
        if changed_ns:
            self._synced[name] = changed_ns
        else:
            self._synced.pop(name, None)

    def _changed_ns(self, name: str) -> int:
        """0: it is not there."""
        try:
            return (self._folder / name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0
