"""Opens SQLite files: settings, schema versions, and what errors mean. Knows nothing about what is in them."""

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

# What SQLite says when the disk is the cause, and what we say.
_DISK_TROUBLES: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "The disk of the data directory is full. Free some space; receiving continues automatically."),
    (
        apsw.ReadOnlyError,
        "Cannot write to the data directory. Make it writable for the user that runs Hogline.",
    ),
    (
        apsw.IOError,
        "The disk of the data directory is failing. Check the system log. Hogline accepts no events until it works.",
    ),
    (apsw.BusyError, "The data directory's database is locked by another program. Close that program."),
    (
        apsw.CantOpenError,
        "Cannot open a file in the data directory. Check its permissions and the disk.",
    ),
)

# What SQLite says when the statement is the cause: trying again would give the same result.
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
    """The SQL scripts that create a database of this kind (`journal`, `state`, …), in order."""
    folder = files("hogline.store.sqlite") / kind
    return [script.read_text("utf-8") for script in sorted(folder.iterdir(), key=lambda f: f.name)]


Conversion: TypeAlias = Callable[[apsw.Connection], None]
"""What a schema step does that SQL cannot. Runs after its script, in the same transaction."""


def open_database(
    path: Path, kind: str, vfs: str | None = None, *, conversions: Mapping[int, Conversion] | None = None
) -> apsw.Connection:
    """A connection to the file, which is created or upgraded to the newest schema first. `conversions`: by the number
    of the step. Before the first of them, the file is copied (`copy_of`).

    Raises `Unusable` if the file is damaged, or belongs to another program or a newer Hogline.
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
        raise Unusable(f"{path.name} in the data directory cannot be created ({error.strerror}).") from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise Unusable(f"{path.name} in the data directory is damaged or is not a Hogline database.") from error
    except apsw.Error as error:
        raise Unusable(f"{path.name} in the data directory cannot be opened: {explain(error)}") from error
    return database


def _prepare(database: apsw.Connection, path: Path, scripts: list[str], conversions: Mapping[int, Conversion]) -> None:
    database.set_busy_timeout(5_000)
    _check_owner(database, path, len(scripts))
    # FULL: a commit is on disk when it returns. NORMAL would lose acknowledged events in a power cut. EXTRA is FULL,
    # and also syncs the folder when the rollback journal that switches a file to WAL is deleted. If that journal came
    # back after a power cut, it would undo the switch, and everything in the WAL with it.
    database.pragma("synchronous", "extra")
    database.pragma("journal_mode", "wal")
    # Forgotten people leave no trace in their rows (`scrub` does the rest) or in temporary files.
    database.pragma("secure_delete", 1)
    database.pragma("temp_store", "memory")
    database.pragma("foreign_keys", 1)
    database.pragma("trusted_schema", 0)
    _migrate(database, path, scripts, conversions)


def _make_private(path: Path) -> None:
    """SQLite gives its other files (-wal, -shm) the mode of the database, and creates that with the umask."""
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _check_owner(database: apsw.Connection, path: Path, known: int) -> None:
    """Before anything is written, so that a file that is not ours, or too new, stays as it is."""
    owner, version = database.pragma("application_id"), database.pragma("user_version")
    if owner == APPLICATION_ID and version > known:
        raise Unusable(
            f"The data directory was written by a newer Hogline ({path.name} has version {version}, this one knows "
            f"{known}). Install that version or a newer one, or choose another directory with --data."
        )
    if owner != APPLICATION_ID and (owner or version or value(database, "SELECT count(*) FROM sqlite_schema")):
        raise Unusable(f"{path.name} in the data directory belongs to another program. Choose another with --data.")


def copy_of(path: Path) -> Path:
    """The file as it was before a conversion. It stays until Hogline was stopped normally once."""
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
    """All or nothing: an interrupted copy is made again."""
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
        _remove(draft)  # a full disk would otherwise stay full
        raise
    draft.rename(copy)
    _sync(copy.parent)


def _remove(file: Path) -> None:
    """The file, and SQLite's files beside it."""
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def _sync(path: Path) -> None:
    """Make sure that this survives a power cut; SQLite does not do it here."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def transaction(database: apsw.Connection) -> Iterator[None]:
    """A transaction: everything in it is written, or nothing.

    apsw's `with database` is not enough. If SQLite has already rolled back the transaction (as on a full disk), it
    fails because there is no transaction, and the cause is lost.
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
    """All rows of a query. The STRICT tables declare their types, which no checker can see."""
    return database.execute(sql, bindings).fetchall()


def few_rows(
    database: apsw.Connection, sql: str, bindings: apsw.Bindings, *, most_bytes: int, sized: int
) -> list[tuple[Any, ...]]:
    """The first rows of a query, as long as the column `sized` has no more than this many bytes in total; always at
    least one. The rows after them are not loaded.
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
    """For reads on behalf of others: raises `Unwritable` if the disk fails."""
    try:
        yield
    except apsw.Error as error:
        if is_trouble(error):
            raise Unwritable(explain(error)) from error
        raise


def value(database: apsw.Connection, sql: str, bindings: apsw.Bindings | None = None) -> Any:  # noqa: ANN401  # as above
    """The single value of a query; None if it has no row."""
    return database.execute(sql, bindings).get


def touch(database: apsw.Connection) -> None:
    """A write that changes nothing, to see whether the disk accepts one. Raises `apsw.Error`."""
    database.pragma("user_version", database.pragma("user_version"))


def explain(error: apsw.Error) -> str:
    """One sentence, without any value from the database."""
    for kind, sentence in _DISK_TROUBLES:
        if isinstance(error, kind):
            return sentence
    return f"Database error ({type(error).__name__})."


def is_trouble(error: BaseException) -> TypeGuard[apsw.Error]:
    """Whether the disk or the file is the cause. That may pass."""
    return isinstance(error, apsw.Error) and not isinstance(error, _OUR_FAULT)


def trouble_of(error: Exception) -> str | None:
    """What to say if the disk or the file is the cause; None if the statement is."""
    return explain(error) if is_trouble(error) else None
