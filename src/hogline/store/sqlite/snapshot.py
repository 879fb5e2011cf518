"""Copies of databases, all from the same moment, while others write to them. Of their tables, it only knows the
events'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import apsw

from hogline.store.base import Unusable
from hogline.store.sqlite.database import APPLICATION_ID, explain, reading, value

_PAGES = 2_000
_TRIES = 20


@contextmanager
def snapshots(state: Path, journal: Path, others: Sequence[Path]) -> Iterator[dict[Path, apsw.Connection]]:
    """Connections that see every database as it is now, for as long as the context lasts. Nobody has to wait for them.

    The state is read first, so it never refers to an event that the journal does not have. The journal has every event
    that the state still needs, because nothing was trimmed in between. Raises `Unwritable` and `Unusable`.
    """
    with reading():
        for _ in range(_TRIES):
            with ExitStack() as stack:
                oldest = _oldest(stack.enter_context(_seen(journal)))
                seen = {path: stack.enter_context(_seen(path)) for path in (state, journal, *others)}
                if _oldest(seen[journal]) == oldest:
                    yield seen
                    return
    raise Unusable("The journal keeps being trimmed. Try again.")


@contextmanager
def _seen(path: Path) -> Iterator[apsw.Connection]:
    source = f"{path.absolute().as_uri()}?mode=ro"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with closing(apsw.Connection(source, flags=flags)) as seen:
        seen.set_busy_timeout(5_000)
        if value(seen, "PRAGMA application_id") != APPLICATION_ID:
            raise Unusable(f"{path.name} in the data directory belongs to another program.")
        seen.execute("BEGIN")
        value(seen, "SELECT count(*) FROM sqlite_schema")  # from here on, this connection sees this moment
        yield seen


def _oldest(journal: apsw.Connection) -> int | None:
    position: int | None = value(journal, "SELECT min(position) FROM events")
    return position


def copy(seen: apsw.Connection, to: Path) -> None:
    """Write a snapshot into a new file. Raises `Unwritable`."""
    with reading(), closing(apsw.Connection(str(to))) as target:
        with target.backup("main", seen, "main") as copying:
            while not copying.done:
                copying.step(_PAGES)
        target.pragma("journal_mode", "delete")  # one file, with nothing beside it


def check(path: Path) -> None:
    """Raises `Unusable` unless the file is a complete Hogline database."""
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as database:
            found = value(database, "PRAGMA quick_check(1)")
            ours = value(database, "PRAGMA application_id") == APPLICATION_ID
    except apsw.Error as error:
        raise Unusable(f"{path.name} in the backup cannot be read: {explain(error)}") from error
    if found != "ok" or not ours:
        raise Unusable(f"{path.name} in the backup is damaged.")
