"""What was deleted is nowhere in the file: not in free pages, not in the gaps of others, and it does not come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.store.sqlite import scrub as scrubbing
from hogline.store.sqlite.database import open_database, rows, transaction
from hogline.store.sqlite.scrub import Scrub, emptied, step

CONTENT = "SELECT distinct_id, email, person FROM people ORDER BY distinct_id"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def database(path: Path) -> Iterator[apsw.Connection]:
    opened = open_database(path, "state")
    yield opened
    opened.close()


def put(database: apsw.Connection, name: str, padding: int) -> None:
    database.execute(
        "INSERT OR REPLACE INTO people (connection, distinct_id, email, person) VALUES (1, ?1, ?1 || '@example.com', ?2)",
        (name, name + "-" * padding),
    )


def remove(database: apsw.Connection, name: str) -> None:
    database.execute("DELETE FROM people WHERE connection = 1 AND distinct_id = ?", (name,))


def filled(database: apsw.Connection, random: Random, people: int = 600) -> list[str]:
    """People in the order of nothing, so that pages are split and merged all the time; returns those who went."""
    names = [f"{random.getrandbits(64):016x}" for _ in range(people)]
    with transaction(database):
        for name in names + random.sample(names, people // 2):
            put(database, name, random.randrange(2_500) if random.random() < 0.2 else random.randrange(400))
    gone = random.sample(names, people // 4)
    with transaction(database):
        for name in gone:
            remove(database, name)
        for name in random.sample(sorted(set(names) - set(gone)), people // 4):
            put(database, name, random.randrange(400))
    return gone


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob("state.db*")) if "shm" not in file.name)


def traces(path: Path, gone: list[str]) -> int:
    on_disk = bytes_of(path)
    return sum(on_disk.count(name.encode()) for name in gone)


def whole(path: Path, database: apsw.Connection) -> int:
    """Scrub all of it. Returns how many steps that took."""
    once, steps = Scrub(path), 0
    while not once.done:
        assert step(once, database) is True
        steps += 1
    return steps


def test_sqlite_alone_leaves_traces_in_the_gaps_of_pages(path: Path, database: apsw.Connection) -> None:
    """Else none of this would be needed."""
    found = 0
    for seed in range(8):
        gone = filled(database, Random(seed))
        assert emptied(database)
        found += traces(path, gone)
    assert found > 0


@given(seed=st.integers(0, 2**32))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_afterwards_there_is_no_trace_and_everything_else_is_as_it_was(
    path: Path, database: apsw.Connection, seed: int
) -> None:
    gone = filled(database, Random(seed))
    before = rows(database, CONTENT)
    whole(path, database)
    assert traces(path, gone) == 0
    assert rows(database, CONTENT) == before
    assert database.execute("PRAGMA integrity_check").get == "ok"


@pytest.mark.parametrize("seed", range(6))
def test_what_was_overwritten_does_not_come_back_with_what_is_written_later(
    path: Path, database: apsw.Connection, seed: int
) -> None:
    """Pages in memory still have it, and are written whole when a row on them changes."""
    random = Random(seed)
    gone = filled(database, random)
    whole(path, database)
    for (name,) in rows(database, "SELECT distinct_id FROM people"):
        put(database, name, random.randrange(400))
    assert traces(path, gone) == 0
    assert emptied(database)
    assert traces(path, gone) == 0


def test_others_write_between_its_steps(path: Path, database: apsw.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubbing, "PAGES_AT_ONCE", 7)
    random = Random(5)
    gone = filled(database, random)
    once, steps = Scrub(path), 0
    while not once.done:
        steps += 1
        assert step(once, database) is True
        for name in ("new", *random.sample([name for (name,) in rows(database, "SELECT distinct_id FROM people")], 5)):
            put(database, f"{name}", random.randrange(3_000))
    assert steps > 5
    assert emptied(database)
    assert traces(path, gone) == 0
    assert database.execute("PRAGMA integrity_check").get == "ok"


def test_free_pages_of_a_file_without_secure_delete_are_overwritten(path: Path, database: apsw.Connection) -> None:
    database.pragma("secure_delete", 0)
    gone = filled(database, Random(1))
    with transaction(database):
        database.execute("DELETE FROM people")
    assert traces(path, gone) > 0
    whole(path, database)
    assert database.pragma("freelist_count") > 10
    assert traces(path, gone) == 0
    assert database.execute("PRAGMA integrity_check").get == "ok"


def test_another_reader_is_not_waited_for_and_nothing_is_lost(path: Path, database: apsw.Connection) -> None:
    gone = filled(database, Random(2))
    other = apsw.Connection(str(path))
    other.execute("BEGIN; SELECT count(*) FROM people").fetchall()
    for name in gone:
        put(database, name, 10)
        remove(database, name)
    once = Scrub(path)
    assert step(once, database) is False
    assert traces(path, gone) > 0
    other.execute("COMMIT")
    other.close()
    assert step(once, database) is True
    assert once.done
    assert traces(path, gone) == 0


def test_a_file_that_cannot_be_read_is_an_error_and_not_a_crash(path: Path, database: apsw.Connection) -> None:
    once = Scrub(path.with_name("another.db"))
    assert isinstance(step(once, database), apsw.Error)


def test_other_processes_still_see_the_locks_on_the_file(path: Path, database: apsw.Connection) -> None:
    """Closing a file takes away all locks that the process has on it, which SQLite knows and `open` does not."""
    locks = Path("/proc/locks")
    inode = f":{path.stat().st_ino} "
    rows(database, CONTENT)
    held = locks.read_text().count(inode) if locks.exists() else 0
    whole(path, database)
    rows(database, CONTENT)
    assert (locks.read_text().count(inode) if locks.exists() else 0) >= held
