"""Small files of the data directory, kept in the store too: accounts, API tokens, sources, alerts.

A host without a lasting disk starts with an empty data directory, and finds them again. The store's files replace the
directory's, except those that were changed there while nothing was running, with `hogline password` for example.
While it runs, what another process changed comes here within a second, and the other way round. None overwrites a
change that it has not seen.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import structlog

from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.private_files import write_whole, writing
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.link import rows
from hogline.store.postgresql.merging import merged
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.turns import in_turns

log = structlog.get_logger("hogline.store")

SQL = queries("small_files")

NAMES = ("console.json", "api_tokens.json", "sources.json", "alerts.json", "first-password")
MERGED = ("console.json", "api_tokens.json")
"""Several processes change these: a console notes who signed in and which token was used."""
SYNCED = "synced.json"
"""In the data directory: when each file had been changed last, the last time that both were the same."""
EVERY_S = 1.0
NOT_YET = "Only this process knows the change, because PostgreSQL has not taken it yet."
LOST = "Another process changed the same thing at the same moment, and its change counts. Look at it and try again."


class SmallFiles:
    """Create it in the running event loop."""

    def __init__(self, folder: Path, vault: Vault, aside: Aside) -> None:
        self._folder = folder
        self._vault = vault
        self._aside = aside
        self._known: dict[str, bytes] = {}
        """What each file is in the store, as far as this process has seen."""
        self._synced: dict[str, int] = {}
        """When that was changed."""
        self._one_at_a_time = asyncio.Lock()

    async def fetch(self) -> None:
        """Make the directory's files those of the store. Raises `Unusable` and `Unwritable`."""
        with _explained():
            before = self._noted()
            found = await self._aside.rows(SQL["all"])
            for name, changed_ns, content in found:
                if name in NAMES:
                    self._know(name, changed_ns, self._vault.decrypt(content))
                    if before.get(name) != changed_ns or self._changed_ns(name) == changed_ns:
                        self._write(name)
            for name, changed_ns in before.items():
                is_removed = found and name not in self._synced  # not if the whole store is a new one
                if is_removed and name in NAMES and self._changed_ns(name) == changed_ns:
                    self._write(name)
            self._note(before)

    async def run(self) -> None:
        """Keep both up to date until it is cancelled. A change may be lost if the process is killed within a second;
        what then comes again is a fetched stretch of events, which the journal has counted.
        """
        await in_turns(self.sync, EVERY_S, "keeping files of the data directory in the store")

    async def sync(self) -> None:
        """Write what changed here, and take what others changed. Raises `Unwritable` and `Unusable`."""
        async with self._one_at_a_time:
            for name in await self._sync():
                log.warning("the same was changed in two places within a second; the other change counts", file=name)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """What is changed within it starts from what the store has, and is in the store at its end. Raises `Unwritable`
        and `Unusable`, also if it is not.
        """
        async with self._one_at_a_time:
            await self._sync()
            yield
            try:
                lost = await self._sync()
            except Unwritable as trouble:
                raise Unwritable(f"{NOT_YET} {trouble}") from None
            if lost:
                raise Unwritable(LOST)

    async def _sync(self) -> list[str]:
        """Returns the files of which a change here is lost: others have changed the same."""
        with _explained():
            theirs: dict[str, int] = dict(await self._aside.rows(SQL["changes"]))
            before = dict(self._synced)
            lost = [name for name in NAMES if await self._sync_file(name, theirs.get(name, 0))]
            self._note(before)
            return lost

    async def _sync_file(self, name: str, theirs_ns: int) -> bool:
        """Returns whether a change here is lost."""
        is_lost = False
        while True:
            is_new = theirs_ns != self._synced.get(name, 0)
            if not is_new and (self._content(name) == self._known.get(name) or await self._put(name)):
                return is_lost
            found = await self._aside.rows(SQL["content"], {"name": name})
            theirs_ns, theirs = (found[0][0], self._vault.decrypt(found[0][1])) if found else (0, None)
            is_lost |= self._take(name, theirs_ns, theirs)

    async def _put(self, name: str) -> bool:
        """False: somebody else has changed it, too."""
        content, before_ns = self._content(name), self._synced.get(name, 0)
        given: dict[str, object] = {"name": name, "before_ns": before_ns}
        changed_ns = 0 if content is None else max(time.time_ns(), before_ns + 1)
        if content is not None:
            given |= {"changed_ns": changed_ns, "content": self._vault.encrypt(content)}
        query = SQL["remove" if content is None else "put"]
        if not await self._aside.write(lambda link: rows(link, query, given)):
            return False
        self._know(name, changed_ns, content)
        with writing:
            if content is not None and self._content(name) == content:
                self._stamp(name)
        return True

    def _take(self, name: str, theirs_ns: int, theirs: bytes | None) -> bool:
        """Returns whether a change here is lost."""
        with writing:
            base, mine = self._known.get(name), self._content(name)
            self._know(name, theirs_ns, theirs)
            if mine in {base, theirs}:
                self._write(name)
                return False
            if theirs == base:
                return False
            if name not in MERGED or base is None or mine is None or theirs is None:
                self._write(name)
                return True
            result = merged(base, mine, theirs)
            write_whole(self._folder / name, result.content)
            return result.is_lost

    def _write(self, name: str) -> None:
        """What the store has."""
        if (content := self._known.get(name)) is None:
            (self._folder / name).unlink(missing_ok=True)
        else:
            write_whole(self._folder / name, content)
            self._stamp(name)

    def _stamp(self, name: str) -> None:
        """It is what the store has: the next process on this directory sees that by its time."""
        os.utime(self._folder / name, ns=(self._synced[name], self._synced[name]))

    def _know(self, name: str, changed_ns: int, content: bytes | None) -> None:
        if content is None:
            self._known.pop(name, None)
            self._synced.pop(name, None)
        else:
            self._known[name], self._synced[name] = content, changed_ns

    def _noted(self) -> dict[str, int]:
        try:
            return msgspec.json.decode((self._folder / SYNCED).read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _note(self, before: dict[str, int]) -> None:
        if self._synced != before:
            write_whole(self._folder / SYNCED, msgspec.json.encode(self._synced))

    def _content(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _changed_ns(self, name: str) -> int:
        """0: it is not there."""
        try:
            return (self._folder / name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0


@contextmanager
def _explained() -> Iterator[None]:
    """Raises `Unusable` if the disk fails."""
    try:
        yield
    except OSError as error:
        raise Unusable(f"Cannot write to the data directory ({error.strerror}).") from None
