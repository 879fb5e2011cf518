"""Every store passes the suite that authors get. A new store is one line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hogline.store.base import Journal, State
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.stores import store_suite
from hogline.testing.stores.words import NOW_MS, Store, files_in

pytestmark = pytest.mark.anyio


class SqliteStore:
    def __init__(self, folder: Path) -> None:
        self.now_ms = NOW_MS
        self._folder = folder
        self._vault = Vault(Vault.new_key())

    async def journal(self) -> Journal:
        return SqliteJournal(self._folder / "journal.db", lambda: self.now_ms)

    async def state(self) -> State:
        return SqliteState(self._folder / "state.db", self._vault)

    async def kept(self) -> bytes:
        return files_in(self._folder)


STORES: dict[str, Callable[[Path], Store]] = {"sqlite": SqliteStore}


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = request.param(tmp_path)
    return made


globals().update(store_suite())
