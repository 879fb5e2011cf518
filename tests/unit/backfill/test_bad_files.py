"""One sentence for each thing that cannot be read; the rest goes on, or nothing is begun."""

from __future__ import annotations

import builtins
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import history, json_lines, parquet, read, shuffled, table

from hogline.backfill.files import CannotRead, File, files_of
from hogline.backfill.reading import Reading

ROWS = history(20)


def said(reading: Reading) -> list[tuple[str, int, str]]:
    return [(bad.unit, bad.number, bad.sentence) for bad in reading.first_bad]


@pytest.mark.parametrize("cut", [4, 200, 3_000])
def test_a_parquet_file_that_is_cut_off(tmp_path: Path, cut: int) -> None:
    whole = parquet(ROWS)
    (tmp_path / "e.parquet").write_bytes(whole[: len(whole) - cut])
    (tmp_path / "f.jsonl").write_bytes(json_lines(ROWS)[0])
    rows, reading = read(tmp_path)
    assert len(rows) == 1
    assert said(reading) == [
        ("row", 1, "The file is cut off or damaged: it does not end as a Parquet file does. Export or copy it again.")
    ]


def test_a_damaged_part_of_a_parquet_file_costs_its_rows_only(tmp_path: Path) -> None:
    data = bytearray(parquet(ROWS, row_group_size=60, use_dictionary=False))
    group = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1)
    column = next(group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == "properties")
    start = column.data_page_offset
    data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    (tmp_path / "e.parquet").write_bytes(data)
    rows, reading = read(tmp_path / "e.parquet")
    assert len(rows) == 120
    assert said(reading) == [("row", 61, "The file is damaged here: rows 61 to 120 cannot be read.")]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop_columns("event"), "The file has no column `event`"),
        (lambda t: t.drop_columns("timestamp"), "The file has no column `timestamp`"),
        (
            lambda t: t.set_column(7, "timestamp", pa.array([True] * len(t))),
            "The column `timestamp` must hold times, and holds bool.",
        ),
        (
            lambda t: t.set_column(4, "properties", pa.array(range(len(t)))),
            "The column `properties` must hold JSON texts or structs, and holds int64.",
        ),
        (
            lambda t: t.set_column(1, "event", pa.array([["a"]] * len(t))),
            "The column `event` must hold texts, and holds list<",
        ),
    ],
)
def test_a_column_that_is_missing_or_of_a_wrong_type(
    tmp_path: Path, change: Callable[[Any], Any], sentence: str
) -> None:
    pq.write_table(change(table(ROWS)), tmp_path / "e.parquet")
    rows, reading = read(tmp_path / "e.parquet")
    assert rows == []
    ((unit, number, found),) = said(reading)
    assert (unit, number) == ("row", 1)
    assert found.startswith(sentence)


@pytest.mark.parametrize("bad", [b'{"event": "x"', b"\xff\xfe\n", b'{"event": "x", "distinct_id": "u"}', b"nothing"])
def test_an_unreadable_row_in_the_middle_is_named_and_the_rest_goes_on(tmp_path: Path, bad: bytes) -> None:
    lines = json_lines(shuffled(ROWS))
    (tmp_path / "e.jsonl").write_bytes(b"".join([*lines[:50], bad + b"\n", *lines[50:]]))
    rows, reading = read(tmp_path / "e.jsonl")
    assert len(rows) == len(lines)
    ((unit, number, _),) = said(reading)
    assert (unit, number) == ("line", 51)
    assert reading.refused.total() == reading.bad == 1


def test_a_row_without_a_uuid_gets_the_same_one_each_time(tmp_path: Path) -> None:
    rows = [row | {"uuid": None} for row in ROWS[:5]]
    for name, data in (("e.jsonl", b"".join(json_lines(rows))), ("e.parquet", parquet(rows))):
        (tmp_path / name).write_bytes(data)
        found = [[row.body for row in read(tmp_path / name)[0]] for _ in range(2)]
        assert found[0] == found[1]
        assert len(set(found[0])) == 5


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(json_lines(ROWS)) * 20)
    reading = iter(Reading(files_of([str(path)]), 0))
    next(reading)
    with path.open("ab") as more:
        more.write(json_lines(ROWS)[0])
    with pytest.raises(CannotRead, match=r"e\.jsonl was changed while it was read\. Run the command again\."):
        list(reading)


def test_a_disk_or_connection_that_fails_is_no_damage(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 4 or size in {-1, 4}:
                return super().read(size)
            raise OSError(5, "Input/output error")

        def readinto(self, buffer: Any) -> int:
            raise OSError(5, "Input/output error")

    for data in (parquet(ROWS), b"".join(json_lines(ROWS))):
        file = File("disk/e", partial(Failing, data), lambda _: None)
        with pytest.raises(CannotRead, match=r"disk/e cannot be read: Input/output error\."):
            list(Reading([file], 0))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere.jsonl", r"nowhere\.jsonl cannot be read: No such file or directory\."),
        ("*.nothing", r"\*\.nothing names no file\."),
        ("empty", r"empty names no file\."),
        ("ftp://host/file", r"ftp:// is none of the addresses that can be read: s3://, gs://, az://, https://\."),
        ("gs://bucket/file", r"Reading gs:// needs a package: pip install 'hogline\[gcs\]'\."),
        ("az://bucket/file", r"Reading az:// needs a package: pip install 'hogline\[azure\]'\."),
    ],
)
def test_a_source_that_names_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotRead, match=sentence):
        files_of([source])


def test_without_pyarrow_one_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e.parquet").write_bytes(parquet(ROWS))
    original = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(CannotRead, match=r"needs pyarrow: pip install 'hogline\[parquet\]'"):
        list(Reading(files_of([str(tmp_path)]), 0))


def test_an_export_of_people_is_told_from_one_of_events(tmp_path: Path) -> None:
    people = pa.table({"distinct_id": ["u1"], "person_id": ["p"], "properties": ["{}"], "person_version": [1]})
    pq.write_table(people, tmp_path / "persons.parquet")
    lines = [msgspec.json.encode(person) + b"\n" for person in people.to_pylist() * 50]
    (tmp_path / "persons.jsonl").write_bytes(b"".join(lines))
    _, reading = read(tmp_path)
    sentence = (
        "The file has people, not events. Only `hogline backfill` and `hogline send` read them, before the events."
    )
    assert said(reading) == [("line", 1, sentence), ("row", 1, sentence)]


class TestManifests:
    def folder(self, folder: Path, *there: str) -> Path:
        for number, name in enumerate(there):
            (folder / name).write_bytes(b"".join(json_lines(ROWS[number::2])))
        keys = ["prefix/a-b-0.jsonl", "prefix/a-b-1.jsonl"]
        (folder / "a-b_manifest.json").write_bytes(msgspec.json.encode({"files": keys}))
        return folder

    def test_they_hold_no_events(self, tmp_path: Path) -> None:
        rows, reading = read(self.folder(tmp_path, "a-b-0.jsonl", "a-b-1.jsonl"))
        assert (len(rows), reading.bad) == (180, 0)

    def test_a_file_that_one_names_may_not_be_missing(self, tmp_path: Path) -> None:
        with pytest.raises(CannotRead, match=r"names 1 file that cannot be found beside it, a-b-1\.jsonl first"):
            read(self.folder(tmp_path, "a-b-0.jsonl"))

    def test_one_stands_for_its_files(self, tmp_path: Path) -> None:
        self.folder(tmp_path, "a-b-0.jsonl", "a-b-1.jsonl", "other.jsonl")
        rows, _ = read(tmp_path / "a-b_manifest.json")
        assert len(rows) == 180

    def test_what_is_none_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "x_manifest.json").write_text("[]")
        with pytest.raises(CannotRead, match="is no manifest of an export"):
            read(tmp_path / "x_manifest.json")


def test_marks_of_warehouses_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "part-0.json").write_bytes(json_lines(ROWS)[0])
    for name in ("_SUCCESS", "_committed_1", ".part-0.json.crc"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "year=2026").mkdir()
    (tmp_path / "year=2026" / "part-1.json").write_bytes(json_lines(ROWS)[1])
    rows, reading = read(tmp_path, tmp_path / "part-0.json")
    assert (len(rows), reading.bad) == (2, 0)
