"""Files that other processes read come to the same as files that are read here, whatever ends which process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest
from exports import RECEIVED_MS, START, gzip_by_row, history, json_lines, parquet, shuffled

from hogline.backfill import prepare
from hogline.backfill.files import CannotRead, Place, files_of
from hogline.backfill.prepare import Preparation
from hogline.backfill.readers import Readers
from hogline.backfill.run_file import read_rows
from hogline.backfill.runs import Prepared
from hogline.backfill.sorted_rows import ROWS, Window
from hogline.testing.processes import until

WITHIN_S = 30


def people(count: int) -> list[bytes]:
    """PostHog's export of people; the last one was deleted."""
    rows = [
        {
            "distinct_id": f"{id_}-{person}", "person_id": str(person), "properties": {"plan": "pro", "v": version},
            "person_distinct_id_version": 1, "person_version": version, "is_deleted": person == count - 1,
        }
        for person in range(count) for id_ in ("visitor", "user") for version in (1, 2)
    ]  # fmt: skip
    return [msgspec.json.encode(row) + b"\n" for row in rows]


def export(folder: Path) -> Path:
    """Files of several formats, with rows that cannot be read, events in two files, and people in two."""
    folder.mkdir()
    rows, persons = shuffled(history(40)), people(20)
    nameless = msgspec.json.encode(msgspec.json.decode(json_lines(rows[:1])[0]) | {"event": ""}) + b"\n"
    (folder / "a.jsonl").write_bytes(b"".join([*json_lines(rows[:90]), b"{broken\n", nameless, *persons[::2]]))
    (folder / "b.parquet").write_bytes(parquet(rows[80:200], row_group_size=7))
    (folder / "c.jsonl.gz").write_bytes(gzip_by_row(rows[200:])[:-100])
    (folder / "d.jsonl").write_bytes(b"".join([b"[]\n", *persons[1::2]]))
    return folder


def prepared(source: Path, folder: Path, window: Window) -> tuple[Prepared, list[bytes], Preparation]:
    folder.mkdir()
    preparation = Preparation(files_of([str(source)]), folder, RECEIVED_MS, window)
    found = preparation.prepare()
    assert [file.name for file in folder.iterdir()] == [ROWS]
    return found, [row for rows in read_rows(folder / ROWS) for row in rows], preparation


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("before_ms", [None, int(START.timestamp() * 1_000) + 4 * 3_600_000])
def test_however_many_read_it_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, before_ms: int | None
) -> None:
    source, window = export(tmp_path / "export"), Window(before_ms)
    here, rows, _ = prepared(source, tmp_path / "here", window)
    monkeypatch.setattr(prepare, "MUCH_BYTES", 0)
    monkeypatch.setattr(prepare, "MOST_READERS", count)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    there, same_rows, preparation = prepared(source, tmp_path / "there", window)
    assert (there, same_rows) == (here, rows)
    assert {Path(row.file).name for row in here.first_bad} == {"a.jsonl", "c.jsonl.gz", "d.jsonl"}
    assert (here.people, here.left_out["person_deleted"] > 0) == (2 * 19, True)
    assert (preparation.read, preparation.written) == (
        here.rows - here.people + here.left_out["person_deleted"] + 80,
        here.rows + here.left_out["person_deleted"],
    )


class Reader:
    """A reader in the middle of a file, which is a pipe that the test writes."""

    def __init__(
        self,
        folder: Path,
        started: Sequence[int],
        preparing: Future[Prepared],
        stopped: threading.Event,
        pipe: BinaryIO,
    ) -> None:
        self.folder = folder
        self.pid = started[0]
        self.preparing = preparing
        self.stopped = stopped
        self.pipe = pipe

    def result(self) -> Prepared:
        return self.preparing.result(WITHIN_S)

    def is_gone(self) -> bool:
        try:
            self.pipe.write(b"\n")
            self.pipe.flush()
        except BrokenPipeError:
            return True
        return False


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    started: list[int] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, **more)  # type: ignore[call-overload]  # as it is called
            started.append(self.pid)

    monkeypatch.setattr("hogline.backfill.readers.subprocess.Popen", Popen)
    folder, stopped = tmp_path / "folder", threading.Event()
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe")
    reading = Readers([Place(str(tmp_path / "pipe"))], [[0]], folder, RECEIVED_MS, Window(), stopped=stopped)
    with ThreadPoolExecutor(1) as pool:
        preparing = pool.submit(reading.prepare)
        pipe = (tmp_path / "pipe").open("wb")
        pipe.write(b"".join(json_lines(history(2))))
        pipe.flush()
        try:
            yield Reader(folder, started, preparing, stopped, pipe)
        finally:
            stopped.set()
            pipe.raw.close()


def test_a_reader_that_is_killed_is_told_in_one_sentence_and_leaves_nothing(reader: Reader) -> None:
    os.kill(reader.pid, signal.SIGKILL)
    with pytest.raises(
        CannotRead, match=r"^A process that read the files was ended from outside.* Run the command again\.$"
    ):
        reader.result()
    assert list(reader.folder.iterdir()) == []


def test_what_ends_a_group_of_processes_is_left_to_the_one_that_knows_what_it_means(reader: Reader) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(reader.pid, number)
    reader.pipe.close()
    assert reader.result().rows == 18


def test_a_reader_ends_when_nobody_wants_its_rows(reader: Reader) -> None:
    reader.stopped.set()
    with pytest.raises(CannotRead, match="stopped"):
        reader.result()
    assert reader.is_gone()
    assert list(reader.folder.iterdir()) == []


_STARTS = """
import sys, threading
from pathlib import Path
from hogline.backfill.readers import Place, Readers, Window
Readers([Place(sys.argv[1])], [[0]], Path(sys.argv[2]), 0, Window(), stopped=threading.Event()).prepare()
"""


def test_a_reader_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-c", _STARTS, str(tmp_path / "pipe"), str(tmp_path)]
    with subprocess.Popen(command) as starter, (tmp_path / "pipe").open("wb") as pipe:
        reader = Reader(tmp_path, [0], Future(), threading.Event(), pipe)
        assert not reader.is_gone()
        starter.kill()
        until(reader.is_gone)
        pipe.raw.close()


@pytest.mark.parametrize(
    ("places", "mine", "kind", "says"),
    [
        (["missing.jsonl"], [[0]], CannotRead, "missing.jsonl cannot be read: file, folder or bucket not found."),
        (["a.jsonl", "missing.jsonl"], [[0], [1]], CannotRead, "missing.jsonl cannot be read"),
        (["a.jsonl"], [[1]], RuntimeError, "IndexError at reading.py"),
    ],
)
def test_what_goes_wrong_in_a_reader_is_raised_here(
    tmp_path: Path, places: list[str], mine: list[list[int]], kind: type[Exception], says: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"".join(json_lines(history(2))))
    with pytest.raises(kind, match=says):
        read_by(mine, [tmp_path / name for name in places], tmp_path)


def test_what_is_wrong_with_the_folder_is_raised_here(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"".join(json_lines(history(2))))
    with pytest.raises(OSError, match="No such file or directory"):
        read_by([[0]], [tmp_path / "a.jsonl"], tmp_path / "nowhere")


def read_by(mine: list[list[int]], files: list[Path], folder: Path) -> Prepared:
    places = [Place(str(file)) for file in files]
    return Readers(places, mine, folder, RECEIVED_MS, Window(), stopped=threading.Event()).prepare()


def test_little_is_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "Readers", None)
    prepared(export(tmp_path / "export"), tmp_path / "here", Window())
