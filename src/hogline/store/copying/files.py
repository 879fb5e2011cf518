"""A data directory as one side of a copy."""

from __future__ import annotations

import os
import shutil
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import get_args

import apsw
import msgspec

from hogline.store.base import Unusable
from hogline.store.copying.sides import MOST_BYTES, MOST_ROWS, Ends, Kept, Key, bytes_of_key, key_of_bytes
from hogline.store.copying.tables import NAMES, PEOPLE, RESULTS, File, Row, Table
from hogline.store.datadir.private_files import sync, write_whole
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite import conversion
from hogline.store.sqlite.database import explain, is_trouble, open_database, rows, transaction, value
from hogline.store.sqlite.event_search import BLOCK_BITS, MASK, SIZE, key_of

SMALL_FILES = ("console.json", "api_tokens.json", "sources.json", "alerts.json", "first-password")
DATABASES: tuple[File, ...] = get_args(File)
PART_BITS = 8
"""Of a block's positions, on its way: PostgreSQL's blocks are smaller."""
PART = 1 << PART_BITS
_PARTS = BLOCK_BITS - PART_BITS
_NEW = "CREATE TABLE IF NOT EXISTS copying (name TEXT PRIMARY KEY, key BLOB NOT NULL, rows INTEGER NOT NULL) STRICT"


class Directory:
    """Implements `Source`. Nobody else uses the directory meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Raises `Unusable`. An older data directory is upgraded."""
        self._folder = folder
        convert = partial(conversion.convert, journal=folder / "journal.db")
        self._databases = {
            file: open_database(folder / f"{file}.db", file, conversions={7: convert} if file == "state" else None)
            for file in DATABASES
        }

    def changes(self) -> str:
        found = list[tuple[str, int, int]]()
        for file, database in self._databases.items():
            database.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            what = (self._folder / f"{file}.db").stat()
            found.append((file, what.st_size, what.st_mtime_ns))
        found += [(one.name, len(one.content), one.changed_ns) for one in self.files()]
        return msgspec.json.encode([str(self._folder.resolve()), *found]).decode()

    def check_key(self, vault: Vault) -> None:
        """Raises `Unusable` if something was encrypted with another one."""
        for (secret,) in self._databases["state"].execute(
            "SELECT token FROM tokens UNION ALL SELECT options FROM connections LIMIT 1"
        ):
            vault.decrypt(secret)

    def count(self, table: Table) -> int:
        found: int = value(self._databases[table.file], f"SELECT count(*) FROM {table.here}")  # noqa: S608  # ours
        return found

    def read(self, table: Table, after: Key | None) -> list[Row]:
        if table in {NAMES, PEOPLE}:
            return self._checksums(table.columns[1].name, -1 if after is None else after[0])
        if table is RESULTS:
            return self._results((0, -1) if after is None else (after[0], after[1]))
        columns = ", ".join(f'"{column.here}"' for column in table.columns)
        sql, bindings = f"SELECT {columns} FROM {table.here}", ()  # noqa: S608  # ours
        if table.key:
            keys = ", ".join(f'"{column.here}"' for column in table.columns[: table.key])
            if after is not None:
                sql += f" WHERE ({keys}) > ({', '.join('?' * table.key)})"
                bindings = after
            sql += f" ORDER BY {keys} LIMIT {MOST_ROWS}"
        found, left = list[Row](), MOST_BYTES
        flags = [(place, column) for place, column in enumerate(table.columns) if column.type == "bool"]
        for row in self._databases[table.file].execute(sql, bindings):
            if flags:
                row = list(row)  # noqa: PLW2901
                for place, column in flags:
                    row[place] = bool(row[place]) != column.inverted
            found.append(tuple(row))
            left -= sum(len(each) for each in row if isinstance(each, bytes))
            if left < 0 and table.key:
                break
        return found

    def _checksums(self, column: str, after: int) -> list[Row]:
        sql = f"SELECT block, {column} FROM events WHERE block > ? ORDER BY block LIMIT 100"  # noqa: S608  # ours
        found: list[Row] = []
        last = after >> _PARTS
        while not found and (blocks := rows(self._databases["events"], sql, (last,))):
            for last, checksums in blocks:
                for number in range(1 << _PARTS):
                    here = checksums[4 * PART * number : 4 * PART * (number + 1)]
                    if any(here):
                        found.append(((last << _PARTS) + number, here))
        return found

    def _results(self, after: tuple[int, int]) -> list[Row]:
        sql = "SELECT id, outcomes, shipments FROM results WHERE id > ? ORDER BY id LIMIT 100"
        found: list[Row] = []
        last = key_of(after[0], after[1] >> _PARTS) if after[1] >= 0 else -1
        while not found and (blocks := rows(self._databases["events"], sql, (last,))):
            for last, outcomes, shipments in blocks:
                connection, block = last >> 40, last & ((1 << 40) - 1)
                for number in range(1 << _PARTS):
                    ours = outcomes[2 * PART * number : 2 * PART * (number + 1)]
                    if any(ours):
                        numbers = array("I", shipments[4 * PART * number : 4 * PART * (number + 1)])
                        found.append((connection, (block << _PARTS) + number, ours, array("Q", numbers).tobytes()))
        return found

    def ends(self) -> Ends:
        journal, events = self._databases["journal"], self._databases["events"]
        last = self._sequence("journal", "events")
        first: int | None = value(journal, "SELECT min(position) FROM events")
        taken, kept = rows(events, "SELECT taken, first FROM progress")[0]
        return Ends(
            first=last + 1 if first is None else first,
            last=last,
            received_ms=value(journal, "SELECT received_ms FROM events ORDER BY position DESC LIMIT 1") or 0,
            folded=value(self._databases["state"], "SELECT position FROM folded"),
            audited=self._sequence("audit", "entries"),
            connections=self._sequence("state", "connections"),
            unlogged=self._sequence("state", "unlogged"),
            cleaned=self._sequence("state", "cleaning"),
            taken=taken,
            kept=kept,
        )

    def _sequence(self, file: File, name: str) -> int:
        return value(self._databases[file], "SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)) or 0

    def files(self) -> list[Kept]:
        found = []
        for name in SMALL_FILES:
            with suppress(FileNotFoundError):
                file = self._folder / name
                found.append(Kept(name, file.stat().st_mtime_ns, file.read_bytes()))
        return found

    def close(self) -> None:
        for database in self._databases.values():
            database.close()


class NewDirectory(Directory):
    """Implements `Target`. It is made beside the place where it will be, and gets there whole."""

    def __init__(self, folder: Path) -> None:
        """Raises `Unusable`, also if `folder` is not empty."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Unusable(f"{folder} is not empty. Copy into a new directory.")
        self._place = folder
        self._draft = folder.absolute().with_name(f"{folder.absolute().name}.copying")
        self._open()

    def _open(self) -> None:
        self._draft.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(self._draft)
        for database in self._databases.values():
            database.execute(_NEW)

    def begin(self, changes: str) -> bool:
        if value(self._databases["state"], "SELECT key FROM copying WHERE name = ''") == changes.encode():
            return True
        self.close()
        shutil.rmtree(self._draft)
        self._open()
        self._databases["state"].execute("INSERT INTO copying VALUES ('', ?, 0)", (changes.encode(),))
        return False

    def done(self, table: Table) -> tuple[Key | None, int]:
        found = rows(self._databases[table.file], "SELECT key, rows FROM copying WHERE name = ?", (table.name,))
        return (key_of_bytes(found[0][0]), found[0][1]) if found else (None, 0)

    def write(self, table: Table, rows: list[Row]) -> None:
        database = self._databases[table.file]
        key = bytes_of_key(rows[-1][: table.key])
        with transaction(database):
            if table in {NAMES, PEOPLE}:
                _put_checksums(database, table.columns[1].name, rows)
            elif table is RESULTS:
                _put_results(database, rows)
            else:
                columns = ", ".join(f'"{column.here}"' for column in table.columns)
                marks = ", ".join("?" * len(table.columns))
                inverted = [place for place, column in enumerate(table.columns) if column.inverted]
                database.executemany(
                    f"INSERT INTO {table.here} ({columns}) VALUES ({marks})",  # noqa: S608  # ours
                    (_turned(row, inverted) for row in rows) if inverted else rows,
                )
            database.execute(
                "INSERT INTO copying VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET key = ?2, rows = rows + ?3",
                (table.name, key, len(rows)),
            )

    def finish(self, ends: Ends, files: list[Kept]) -> None:
        numbers: tuple[tuple[File, str, int], ...] = (
            ("journal", "events", ends.last),
            ("state", "connections", ends.connections),
            ("state", "unlogged", ends.unlogged),
            ("state", "cleaning", ends.cleaned),
            ("audit", "entries", ends.audited),
        )
        for file, name, last in numbers:
            with transaction(self._databases[file]):
                self._databases[file].execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                self._databases[file].execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))
        self._databases["state"].execute("UPDATE folded SET position = ?", (ends.folded,))
        self._databases["events"].execute("UPDATE progress SET taken = ?, first = ?", (ends.taken, ends.kept))
        for one in files:
            write_whole(self._folder / one.name, one.content)
            os.utime(self._folder / one.name, ns=(one.changed_ns, one.changed_ns))

    def publish(self) -> None:
        for database in self._databases.values():
            database.execute("DROP TABLE copying")
            database.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self.close()
        sync(self._draft)
        self._draft.rename(self._place)
        sync(self._place.absolute().parent)


def _turned(row: Row, inverted: list[int]) -> Row:
    return tuple(not each if place in inverted else each for place, each in enumerate(row))


def _put_checksums(database: apsw.Connection, column: str, parts: list[Row]) -> None:
    blocks: dict[int, bytearray] = {}
    for number, checksums in parts:
        block = number >> _PARTS
        if block not in blocks:
            had = value(database, f"SELECT {column} FROM events WHERE block = ?", (block,))  # noqa: S608  # ours
            blocks[block] = bytearray(had or bytes(4 * SIZE))
        at = 4 * ((number << PART_BITS) & MASK)
        blocks[block][at : at + len(checksums)] = checksums
    for block, whole in blocks.items():
        database.execute("INSERT OR IGNORE INTO events VALUES (?1, ?2, ?2)", (block, bytes(4 * SIZE)))
        database.execute(f"UPDATE events SET {column} = ? WHERE block = ?", (bytes(whole), block))  # noqa: S608  # ours


def _put_results(database: apsw.Connection, parts: list[Row]) -> None:
    results: dict[int, tuple[bytearray, bytearray]] = {}
    for connection, number, outcomes, shipments in parts:
        id_ = key_of(connection, number >> _PARTS)
        if id_ not in results:
            found = rows(database, "SELECT outcomes, shipments FROM results WHERE id = ?", (id_,))
            had = found[0] if found else (bytes(2 * SIZE), bytes(4 * SIZE))
            results[id_] = bytearray(had[0]), bytearray(had[1])
        at = (number << PART_BITS) & MASK
        results[id_][0][2 * at : 2 * at + len(outcomes)] = outcomes
        numbers = array("I", array("Q", shipments)).tobytes()
        results[id_][1][4 * at : 4 * at + len(numbers)] = numbers
    for id_, (all_outcomes, all_shipments) in results.items():
        seen = 0
        for one in set(array("H", bytes(all_outcomes))):
            seen |= 1 << min(one, 62)
        row = (id_, seen, bytes(all_outcomes), bytes(all_shipments))
        database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", row)


@contextmanager
def explained() -> Iterator[None]:
    """Raises `Unusable` if the disk fails."""
    try:
        yield
    except apsw.Error as error:
        if not is_trouble(error):
            raise
        raise Unusable(explain(error)) from None
    except OSError as error:
        raise Unusable(f"The disk of the data directory is failing ({error.strerror}).") from None
