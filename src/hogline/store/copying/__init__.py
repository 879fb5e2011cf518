"""Copies everything from a data directory into PostgreSQL, or back: stopped, exact, and resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hogline.store.base import Unusable
from hogline.store.copying.files import Directory, NewDirectory, explained
from hogline.store.copying.run import Copied, Told, copy
from hogline.store.datadir.directory import DataDirectory, Held
from hogline.store.datadir.secrets import Vault
from hogline.store.opening import postgresql

__all__ = ["Copied", "Told", "create", "from_directory", "to_directory"]


def create(url: str) -> None:
    """Make the tables, or upgrade them. Raises `Unusable`."""
    postgresql("hogline.store.copying.database").create(url)


def from_directory(folder: Path, url: str, key: str, tell: Callable[[Told], None]) -> Copied:
    """Copy a data directory into PostgreSQL, where nothing may be yet. Raises `Unusable`."""
    database = postgresql("hogline.store.copying.database")
    if not (folder / "journal.db").exists() or not (folder / "state.db").exists():
        raise Unusable(f"{folder} is not a Hogline data directory, so there is nothing to copy.")
    directory, vault = DataDirectory(folder), Vault(key)
    own = folder / "secret.key"
    if own.exists() and directory.vault(None).fingerprint("") != vault.fingerprint(""):
        raise Unusable(
            f"{folder} was made with another key than HOGLINE_SECRET_KEY, and the copy needs the same one. Set it to "
            f"what is in {own}."
        )
    try:
        with directory, closing(Directory(folder)) as source:
            source.check_key(vault)
            with explained(), database.explained(), closing(database.NewDatabase(url, vault)) as target:
                return copy(source, target, tell)
    except Held:
        raise Unusable(f"A Hogline is running on {folder}. Stop it first.") from None


def to_directory(url: str, key: str, folder: Path, tell: Callable[[Told], None]) -> Copied:
    """Copy a store in PostgreSQL into a new data directory. Raises `Unusable`."""
    database = postgresql("hogline.store.copying.database")
    with database.explained(), closing(database.Database(url, Vault(key))) as source:
        source.hold()
        with explained(), closing(NewDirectory(folder)) as target:
            return copy(source, target, tell)
