"""Whose file it is, and of which version: said in one sentence, before anything is changed in it."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from hogline.store.base import Unusable
from hogline.store.sqlite.database import APPLICATION_ID, migrations, open_database

KINDS = ["history", "journal", "state"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(path: Path, script: str) -> None:
    database = apsw.Connection(str(path))
    database.execute(script)
    database.close()


def the_sentence(path: Path, kind: str) -> str:
    """Why the file cannot be opened, after making sure that it was left as it was."""
    before = path.read_bytes()
    with pytest.raises(Unusable) as raised:
        open_database(path, kind)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return str(raised.value)


@each_kind
def test_a_new_file_gets_the_newest_schema(tmp_path: Path, kind: str) -> None:
    database = open_database(tmp_path / "new.db", kind)
    assert database.pragma("application_id") == APPLICATION_ID
    assert database.pragma("user_version") == len(migrations(kind))
    database.close()


@each_kind
def test_an_empty_file_is_a_new_one(tmp_path: Path, kind: str) -> None:
    (tmp_path / "new.db").touch()
    database = open_database(tmp_path / "new.db", kind)
    assert database.pragma("user_version") == len(migrations(kind))
    database.close()


@each_kind
def test_opening_it_again_changes_nothing(tmp_path: Path, kind: str) -> None:
    open_database(tmp_path / "old.db", kind).close()
    before = (tmp_path / "old.db").read_bytes()
    open_database(tmp_path / "old.db", kind).close()
    assert (tmp_path / "old.db").read_bytes() == before


@each_kind
def test_a_file_of_a_newer_hogline_says_which_version_to_install(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "newer.db"
    open_database(path, kind).close()
    known = len(migrations(kind))
    make(path, f"PRAGMA user_version = {known + 1}")
    assert the_sentence(path, kind) == (
        f"The data directory was written by a newer Hogline (newer.db has version {known + 1}, this one knows "
        f"{known}). Install that version or a newer one, or choose another directory with --data."
    )


OTHERS = {
    "with tables": "CREATE TABLE theirs (x)",
    "with tables and a name": "PRAGMA application_id = 7; CREATE TABLE theirs (x)",
    "with a name and no table": "PRAGMA application_id = 7",
    "with a version and no table": "PRAGMA user_version = 3",
}


@pytest.mark.parametrize("script", OTHERS.values(), ids=OTHERS.keys())
def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path, script: str) -> None:
    make(tmp_path / "state.db", script)
    assert the_sentence(tmp_path / "state.db", "state") == (
        "state.db in the data directory belongs to another program. Choose another with --data."
    )


@pytest.mark.parametrize(
    "content",
    [b"not a database, but long enough to hold what a database begins with. " * 20, b"short", b"\0" * 4_096],
    ids=["text", "a few bytes", "zeros"],
)
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.db").write_bytes(content)
    assert the_sentence(tmp_path / "state.db", "state") == (
        "state.db in the data directory is damaged or is not a Hogline database."
    )


def test_a_damaged_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_database(path, "state").close()
    content = bytearray(path.read_bytes())
    content[100:4_096] = b"\xff" * 3_996  # the page that lists the tables
    path.write_bytes(content)
    assert the_sentence(path, "state") == "state.db in the data directory is damaged or is not a Hogline database."


def test_a_directory_in_its_place_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(Unusable, match=r"^state\.db in the data directory cannot be opened: .*permissions"):
        open_database(tmp_path / "state.db", "state")


@each_kind
def test_a_migration_that_is_interrupted_leaves_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = migrations(kind)
    monkeypatch.setattr(
        "hogline.store.sqlite.database.migrations", lambda _: [*scripts, "CREATE TABLE a (x); NONSENSE"]
    )
    with pytest.raises(Unusable):
        open_database(tmp_path / "new.db", kind)
    monkeypatch.undo()

    database = open_database(tmp_path / "new.db", kind)  # it is of today's version, and whole
    assert database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'a'").get == 0
    database.close()


@each_kind
def test_an_older_file_is_brought_to_the_newest_schema(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(tmp_path / "old.db", kind).close()
    newer = [*migrations(kind), "CREATE TABLE later (x TEXT) STRICT"]
    monkeypatch.setattr("hogline.store.sqlite.database.migrations", lambda _: newer)
    database = open_database(tmp_path / "old.db", kind)
    assert database.execute("SELECT count(*) FROM later").get == 0
    assert database.pragma("user_version") == len(newer)
    database.close()


def test_hoglines_mark_on_its_files_never_changes() -> None:
    assert APPLICATION_ID == 1_029_760_340


def test_what_was_committed_survives_a_power_cut(tmp_path: Path) -> None:
    database = open_database(tmp_path / "new.db", "journal")
    assert database.pragma("synchronous") == 3  # EXTRA
    assert database.pragma("journal_mode") == "wal"
    database.close()
