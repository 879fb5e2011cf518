"""Opening a SQLite file: settings, schema version, and what its errors mean. Knows nothing of what is in it."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from hogline.store.base import Unusable, Unwritable

APPLICATION_ID = int.from_bytes(hashlib.sha256(b"hogline").digest()[:4], "big", signed=True)

# What a database says when the disk is at fault, and what we say of it.
_DISK_TROUBLES: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "The disk of the data directory is full. Free some space; receiving goes on by itself."),
    (
        apsw.ReadOnlyError,
        "The data directory cannot be written to. Make it writable for the user that runs Hogline.",
    ),
    (
        apsw.IOError,
        "The disk of the data directory fails. Look at the system's log; nothing is accepted until it works.",
    ),
    (apsw.BusyError, "The data directory's database is locked by another program. Close that program."),
    (
        apsw.CantOpenError,
        "A file of the data directory cannot be opened. Check its permissions and the disk.",
    ),
)


def migrations(kind: str) -> list[str]:
    """The SQL scripts that make a database of this kind (`journal`, `state`), in order."""
    folder = files("hogline.store.sqlite") / kind
    return [script.read_text("utf-8") for script in sorted(folder.iterdir(), key=lambda f: f.name)]


def open_database(path: Path, kind: str, vfs: str | None = None) -> apsw.Connection:
    """A connection to the file, made or brought to the newest schema first.

    Raises `Unusable` if the file is another program's, damaged, or a newer Hogline's.
    """
    try:
        database = apsw.Connection(str(path), vfs=vfs)
        database.set_busy_timeout(5_000)
        # FULL: a commit is on disk when it returns. NORMAL loses acknowledged events in a power cut.
        database.pragma("journal_mode", "wal")
        database.pragma("synchronous", "full")
        database.pragma("foreign_keys", 1)
        database.pragma("trusted_schema", 0)
        _migrate(database, path, migrations(kind))
    except apsw.NotADBError as error:
        raise Unusable(f"{path.name} in the data directory is damaged or no database of Hogline's.") from error
    except apsw.Error as error:
        raise Unusable(f"{path.name} in the data directory cannot be opened: {explain(error)}") from error
    return database


def _migrate(database: apsw.Connection, path: Path, scripts: list[str]) -> None:
    owner, version = database.pragma("application_id"), database.pragma("user_version")
    if version > len(scripts) and owner == APPLICATION_ID:
        raise Unusable(
            f"The data directory was written by a newer Hogline ({path.name} has version {version}, this one knows "
            f"{len(scripts)}). Install that version or a newer one, or choose another directory with --data."
        )
    has_tables = value(database, "SELECT count(*) FROM sqlite_schema")
    if owner != APPLICATION_ID and has_tables:
        raise Unusable(f"{path.name} in the data directory belongs to another program. Choose another with --data.")
    for number, script in enumerate(scripts[version:], version + 1):
        with database:
            database.execute(script)
            database.pragma("application_id", APPLICATION_ID)
            database.pragma("user_version", number)


def rows(database: apsw.Connection, sql: str, bindings: apsw.Bindings | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query. Their types are what the STRICT tables declare, which no checker can see."""
    return database.execute(sql, bindings).fetchall()


def value(database: apsw.Connection, sql: str, bindings: apsw.Bindings | None = None) -> Any:  # noqa: ANN401  # as above
    """The single value of a query, None if it has no row."""
    return database.execute(sql, bindings).get


def explain(error: apsw.Error) -> str:
    """One sentence, without any value from the database."""
    for kind, sentence in _DISK_TROUBLES:
        if isinstance(error, kind):
            return sentence
    return f"The database answered with {type(error).__name__}."


def unwritable(error: apsw.Error) -> Unwritable:
    return Unwritable(explain(error))
