"""Opening a SQLite file: settings, schema version, and what its errors mean. Knows nothing of what is in it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import apsw
import structlog

from hogline.store.base import Unusable, Unwritable

log = structlog.get_logger("hogline.store")

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

# What a database says when what it was told to do is wrong: the same again gives the same.
_OUR_FAULT = (
    apsw.BindingsError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.MisuseError,
    apsw.RangeError,
    apsw.SQLError,
    apsw.TooBigError,
)


def migrations(kind: str) -> list[str]:
    """The SQL scripts that make a database of this kind (`journal`, `state`), in order."""
    folder = files("hogline.store.sqlite") / kind
    return [script.read_text("utf-8") for script in sorted(folder.iterdir(), key=lambda f: f.name)]


Conversion: TypeAlias = Callable[[apsw.Connection], None]
"""What a schema's step does that SQL cannot say. Runs behind its script, in the same transaction."""


def open_database(
    path: Path, kind: str, vfs: str | None = None, *, conversions: Mapping[int, Conversion] | None = None
) -> apsw.Connection:
    """A connection to the file, made or brought to the newest schema first. `conversions`: by the step's number; before
    the first of them a copy of the file is made beside it (`copy_of`).

    Raises `Unusable` if the file is another program's, damaged, or a newer Hogline's.
    """
    try:
        _make_private(path)
        database = apsw.Connection(str(path), vfs=vfs)
        try:
            _prepare(database, path, migrations(kind), conversions or {})
        except BaseException:
            database.close()
            raise
    except OSError as error:
        raise Unusable(f"{path.name} in the data directory cannot be made ({error.strerror}).") from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise Unusable(f"{path.name} in the data directory is damaged or no database of Hogline's.") from error
    except apsw.Error as error:
        raise Unusable(f"{path.name} in the data directory cannot be opened: {explain(error)}") from error
    return database


def _prepare(database: apsw.Connection, path: Path, scripts: list[str], conversions: Mapping[int, Conversion]) -> None:
    database.set_busy_timeout(5_000)
    _check_owner(database, path, len(scripts))
    # FULL: a commit is on disk when it returns. NORMAL loses acknowledged events in a power cut.
    # EXTRA is FULL, and the folder is synced when the rollback journal is deleted that switches a file to WAL: were
    # it there again after a power cut, it would undo the switch, and with it all that the WAL has.
    database.pragma("synchronous", "extra")
    database.pragma("journal_mode", "wal")
    # Whoever is forgotten leaves no trace where their rows were (the rest is `scrub`'s), nor in temporary files.
    database.pragma("secure_delete", 1)
    database.pragma("temp_store", "memory")
    database.pragma("foreign_keys", 1)
    database.pragma("trusted_schema", 0)
    _migrate(database, path, scripts, conversions)


def _make_private(path: Path) -> None:
    """SQLite gives its other files (-wal, -shm) the mode of the database, and makes that as the umask says."""
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _check_owner(database: apsw.Connection, path: Path, known: int) -> None:
    """Before anything is written: nothing is changed in a file that is not ours, or too new for us."""
    owner, version = database.pragma("application_id"), database.pragma("user_version")
    if owner == APPLICATION_ID and version > known:
        raise Unusable(
            f"The data directory was written by a newer Hogline ({path.name} has version {version}, this one knows "
            f"{known}). Install that version or a newer one, or choose another directory with --data."
        )
    if owner != APPLICATION_ID and (owner or version or value(database, "SELECT count(*) FROM sqlite_schema")):
        raise Unusable(f"{path.name} in the data directory belongs to another program. Choose another with --data.")


def copy_of(path: Path) -> Path:
    """The file as it was before a conversion, until Hogline was stopped in an orderly way once."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def _migrate(database: apsw.Connection, path: Path, scripts: list[str], conversions: Mapping[int, Conversion]) -> None:
    version: int = database.pragma("user_version")
    if version and any(number > version for number in conversions):
        _copy(database, path)
    began_s = time.monotonic()
    if upgrades := 0 < version < len(scripts):
        log.info("upgrading the data directory", file=path.name, schema=version, to=len(scripts))
    for number, script in enumerate(scripts[version:], version + 1):
        with transaction(database):
            database.execute(script)
            if number in conversions:
                conversions[number](database)
            database.pragma("application_id", APPLICATION_ID)
            database.pragma("user_version", number)
    if upgrades:
        took_s = round(time.monotonic() - began_s, 1)
        log.info("upgraded the data directory", file=path.name, schema=len(scripts), seconds=took_s)


def _copy(database: apsw.Connection, path: Path) -> None:
    """Whole or not at all: a copy that was interrupted is made anew."""
    copy = copy_of(path)
    if copy.exists():
        return
    draft = copy.with_suffix(".part")
    _remove(draft)
    _make_private(draft)
    try:
        database.execute("VACUUM INTO ?", (str(draft),))
        _sync(draft)
    except BaseException:
        _remove(draft)  # on a full disk it would keep others from going on
        raise
    draft.rename(copy)
    _sync(copy.parent)


def _remove(file: Path) -> None:
    """The file, and what SQLite had beside it."""
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def _sync(path: Path) -> None:
    """What was written there outlasts a power cut: SQLite does not see to it here."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def transaction(database: apsw.Connection) -> Iterator[None]:
    """All that is written in it, or nothing.

    apsw's own `with database` is not enough: when SQLite has undone the transaction already (it does on a full
    disk), that fails over the missing transaction, and the cause is lost.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def rows(database: apsw.Connection, sql: str, bindings: apsw.Bindings | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query. Their types are what the STRICT tables declare, which no checker can see."""
    return database.execute(sql, bindings).fetchall()


def few_rows(
    database: apsw.Connection, sql: str, bindings: apsw.Bindings, *, most_bytes: int, sized: int
) -> list[tuple[Any, ...]]:
    """The first rows of a query, as many as have no more than so many bytes in the column `sized` together; at least
    one. What comes behind them is not loaded.
    """
    found: list[tuple[Any, ...]] = []
    left = most_bytes
    for row in database.execute(sql, bindings):
        left -= len(row[sized])
        if left < 0 and found:
            break
        found.append(row)
    return found


@contextmanager
def reading() -> Iterator[None]:
    """Around what reads for others: a disk in trouble is told as `Unwritable`."""
    try:
        yield
    except apsw.Error as error:
        if is_trouble(error):
            raise Unwritable(explain(error)) from error
        raise


def value(database: apsw.Connection, sql: str, bindings: apsw.Bindings | None = None) -> Any:  # noqa: ANN401  # as above
    """The single value of a query, None if it has no row."""
    return database.execute(sql, bindings).get


def touch(database: apsw.Connection) -> None:
    """A write that changes nothing, to see whether the disk takes one. Raises `apsw.Error`."""
    database.pragma("user_version", database.pragma("user_version"))


def explain(error: apsw.Error) -> str:
    """One sentence, without any value from the database."""
    for kind, sentence in _DISK_TROUBLES:
        if isinstance(error, kind):
            return sentence
    return f"The database answered with {type(error).__name__}."


def is_trouble(error: BaseException) -> TypeGuard[apsw.Error]:
    """Whether the disk or the file is at fault: a cause outside of what is being written, which may pass."""
    return isinstance(error, apsw.Error) and not isinstance(error, _OUR_FAULT)
