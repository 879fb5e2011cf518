"""hogline send and hogline preview on files as PostHog exports them, with real processes."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pytest

from hogline.testing import forked
from hogline.testing.processes import connect, environment, get, hogline, hogline_json, until

PEOPLE = 300


def rows() -> list[bytes]:
    """Nine events of each person, in order: three before they sign up, the sign-up, and five after it."""
    made = []
    for person in range(PEOPLE):
        for number in range(9):
            at = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=number, seconds=person)
            user, visitor = f"user-{person}", f"visitor-{person}"
            properties = {"$anon_distinct_id": visitor, "$set": {"email": f"{user}@example.com"}} if number == 3 else {}
            made.append(
                {
                    "uuid": str(UUID(int=0x0199F3A0 << 96 | person << 16 | number)),
                    "event": "$pageview" if number < 3 else "$identify" if number == 3 else "ordered",
                    "distinct_id": visitor if number < 3 else user,
                    "person_id": str(UUID(int=person)),
                    "properties": properties,
                    "person_properties": {},
                    "timestamp": at.isoformat(),
                }
            )
    return [msgspec.json.encode(row) + b"\n" for row in sorted(made, key=lambda row: str(row["timestamp"]))]


@pytest.mark.parametrize("order", [list, lambda lines: Random(1).sample(lines, len(lines))], ids=["sorted", "shuffled"])
def test_rows_are_delivered_in_order_of_time_however_the_export_has_them(
    data: Path, sandbox: str, tmp_path: Path, order: Callable[[list[bytes]], list[bytes]]
) -> None:
    connect(data, sandbox, "--anonymous-users", "identified")
    lines = order(rows())
    for part in range(3):
        (tmp_path / f"export-{part}.jsonl.gz").write_bytes(b"".join(map(gzip.compress, lines[part::3])))
    (forecast,) = [
        choice
        for choice in hogline_json(data, "preview", tmp_path / "export-*.gz", "--forecast")["forecast"]["choices"]
        if choice["choice"] == "identified"
    ]
    assert (forecast["delivered"], forecast["customers"]) == (6 * PEOPLE, PEOPLE)
    (sent,) = hogline_json(data, "send", tmp_path / "export-*.gz")["connections"]
    assert (sent["delivered"], sent["filtered"]) == (6 * PEOPLE, {"not_identified": 3 * PEOPLE})


def test_events_that_stand_in_several_files_are_repeats(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b"".join(rows()[:90]))
    (sent,) = hogline_json(data, "send", tmp_path / "a.jsonl", tmp_path / "b.jsonl")["connections"]
    assert (sent["events"], sent["adjusted"]) == (180, {"repeated": 90})
    assert len(get(f"{sandbox}/sandbox/events")) == 90


def test_standard_input_is_sorted_too(data: Path, sandbox: str) -> None:
    connect(data, sandbox, "--anonymous-users", "identified")
    lines = b"".join(Random(1).sample(rows(), 9 * PEOPLE))
    assert "1,800 delivered" in hogline(data, "send", "-", stdin=lines).stdout


def test_a_stream_that_does_not_end_is_sent_as_it_comes(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    lines = rows()

    def arrived(number: int) -> bool:
        return len(get(f"{sandbox}/sandbox/events")) == number

    reader, writer = os.pipe()
    with (
        os.fdopen(writer, "wb", buffering=0) as stream,
        forked.start(
            ["send", "-", "--as-it-comes"], environment(data), stdin=reader, stdout=subprocess.PIPE
        ) as sending,
    ):
        os.close(reader)
        try:
            for number in (1, 2):
                stream.write(lines[number])
                until(partial(arrived, number))
        finally:
            stream.close()
        assert sending.stdout is not None
        out = sending.stdout.read()
    assert b"2 delivered" in out
    assert sending.returncode == 0


def test_of_several_files_each_bad_row_is_named_with_its_file(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    good, folder = rows(), tmp_path / "exports"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(good[0] + b'{"event": "two", "distinct_id": "u1", "proper\n' + good[1])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"".join(good[2:900]))[:-9_000])
    (folder / "c.parquet").write_bytes(b"PAR1" + bytes(100))
    done = hogline(data, "send", folder, code=1)
    lines = [line.rpartition("/")[2] for line in done.stderr.splitlines() if not line.startswith("Sending ")]
    assert [line.partition(":")[0].rpartition(" ")[0] for line in lines] == [
        "a.jsonl, line",
        "b.jsonl.gz, line",
        "c.parquet, row",
    ]
    assert "line 2: " in lines[0]
    assert "damaged or truncated here" in lines[1]
    assert "cut off or damaged" in lines[2]
