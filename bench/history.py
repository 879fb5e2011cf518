"""Files of history, read and put in order: a million rows as PostHog exports them, shuffled, and ten times as many.

Prints rows a second, peak memory and what the sorter had on disk. Nothing is delivered: `send` measures that.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bench.processes import peak_mb
from bench.traffic import events

ROWS, PEOPLE, TIMES = 1_000_000, 50_000, 10
_AT_ONCE = 50_000

_CHILD = """
import sys, time
from pathlib import Path
from hogline.backfill.files import files_of
from hogline.backfill.order import add_all, in_order
from hogline.backfill.reading import Reading
from hogline.backfill.sorter import Sorter
begin = time.perf_counter()
reading = Reading(files_of(sys.argv[2:]), time.time_ns() // 1_000_000)
with Sorter(Path(sys.argv[1])) as sorter:
    add_all(reading, sorter)
    read = time.perf_counter()
    count, bytes_ = 0, 0
    for row in in_order(sorter, [file.name for file in reading.files]):
        count += 1
        bytes_ += len(row.body)
    end = time.perf_counter()
assert not reading.bad
print(count, bytes_, sorter.disk_bytes, read - begin, end - read, flush=True)
sys.stdin.read()
"""


def main() -> None:
    print(f"history: {ROWS:,} rows of {PEOPLE:,} people in random order, read and put in order of time")
    with tempfile.TemporaryDirectory() as folder:
        lines, parquet = _files(Path(folder))
        _measure("JSON lines", [lines], Path(folder))
        _measure("Parquet (zstd)", [parquet], Path(folder))
        links = [Path(folder) / f"again-{number}.jsonl" for number in range(TIMES)]
        for link in links:
            link.symlink_to(lines)
        _measure(f"JSON lines, {TIMES} times as many rows", links, Path(folder))


def _files(folder: Path) -> tuple[Path, Path]:
    lines, parquet = folder / "rows.jsonl", folder / "rows.parquet"
    rows = [msgspec.json.encode(event | {"person_properties": {}}) for event in events(ROWS, PEOPLE)]
    random.Random(1).shuffle(rows)
    lines.write_bytes(b"\n".join(rows))
    with pq.ParquetWriter(parquet, _columns(rows[:1]).schema, compression="zstd") as writer:
        for begin in range(0, len(rows), _AT_ONCE):
            writer.write_table(_columns(rows[begin : begin + _AT_ONCE]))
    return lines, parquet


def _columns(rows: Sequence[bytes]) -> pa.Table:
    decoded = [msgspec.json.decode(row, type=dict[str, object]) for row in rows]
    texts = [
        {name: msgspec.json.encode(value).decode() if isinstance(value, dict) else value for name, value in row.items()}
        for row in decoded
    ]
    table = pa.Table.from_pylist(texts)
    at = table.schema.get_field_index("timestamp")
    times = pa.array([str(text).rstrip("Z") for text in table.column("timestamp").to_pylist()])
    return table.set_column(at, "timestamp", times.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")))


def _measure(title: str, files: Sequence[Path], folder: Path) -> None:
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(folder), *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        said = child.stdout.readline().split()
        wall_s, memory_mb = time.perf_counter() - begin, peak_mb(child)
        child.communicate()
    count, row_bytes, disk_bytes, read_s, merge_s = map(float, said)
    print(
        f"  {title:34} {count / wall_s:>8,.0f} rows/s (read {count / read_s:,.0f}, merged {count / merge_s:,.0f}), "
        f"{memory_mb:.0f} MB, on disk {disk_bytes / row_bytes:.2f} of {row_bytes / 1e6:,.0f} MB"
    )
