"""`hogline backfill` of a million events of 50,000 people as PostHog exports them: read, sorted, planned, kept and sent
to a sink that accepts everything, by the one command; beside it, in one run, the official client's prebuilt batches.

An export is four files. `HISTORY_EVENTS` in the environment is another number of events, of 20 for each person, and
`HISTORY_RUNS` another number of runs. `history-large` has ten times more events of the same people.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bench import yardstick
from bench.processes import Cost, get, run, together
from bench.serve import sink
from bench.traffic import events

EVENTS, EACH, TIMES = int(os.environ.get("HISTORY_EVENTS", "1000000")), 20, 10
RUNS, PARTS = int(os.environ.get("HISTORY_RUNS", "3")), 4
PEOPLE = EVENTS // EACH
"""Somebody new costs more than another event, so a shorter run has fewer people."""
YARDSTICK_EVENTS = 200_000
"""Of so many, because it has them all in memory."""
T = TypeVar("T")
LATENCY_MS = 50
_AT_ONCE = 50_000

_SORT = """
import resource, sys, time
from pathlib import Path
from hogline.backfill.files import files_of
from hogline.backfill.prepare import Preparation
from hogline.backfill.sorted_rows import ROWS, Window
folder = Path(sys.argv[1])
preparation = Preparation(files_of(sys.argv[2:]), folder, time.time_ns() // 1_000_000, Window())
begin = time.perf_counter()
prepared = preparation.prepare()
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
on_disk = preparation.disk_bytes, (folder / ROWS).stat().st_size
print(prepared.rows, time.perf_counter() - begin, cpu_s, *on_disk, flush=True)
sys.stdin.read()
"""


def main() -> None:
    print(f"history: {EVENTS:,} events of {PEOPLE:,} people, median of {RUNS} runs (all)")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        files = _elsewhere(_files, folder, EVENTS)
        with sink(0) as where:
            of = YARDSTICK_EVENTS, YARDSTICK_EVENTS // EACH
            official = median(_elsewhere(yardstick.batches, where, *of) for _ in range(RUNS))
        print(f"  the official client, prebuilt batches of {yardstick.BATCH}: {official:,.0f} events/s")
        alone = {}
        for title, parts in files.items():
            costs = [_backfill(parts, EVENTS) for _ in range(RUNS)]
            alone[title] = _said(title, costs, official)
        delayed = [_backfill(files["JSON lines, shuffled"], EVENTS, LATENCY_MS) for _ in range(RUNS)]
        slower = _said(f"JSON lines, shuffled, {LATENCY_MS} ms latency", delayed, official)
        print(f"  with {LATENCY_MS} ms latency / without: {slower / alone['JSON lines, shuffled']:.0%}")
        for title, parts in files.items():
            _sort(f"reading and sorting alone: {title}", parts, folder)


def large() -> None:
    """Ten times as many, once: memory, disk and time."""
    count = EVENTS * TIMES
    print(f"history, large: {EVENTS:,} and {count:,} events of {PEOPLE:,} people, JSON lines, shuffled; one run each")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        parts = [_elsewhere(_lines, folder, EVENTS, part) for part in range(TIMES)]
        small = _backfill(parts[:1], EVENTS)
        much = _backfill(parts, count)
        for title, cost, events_ in ((f"{EVENTS:,} events", small, EVENTS), (f"{count:,} events", much, count)):
            print(
                f"  {title:20} {events_ / cost.wall_s:>8,.0f} events/s, {cost.wall_s:,.0f} s, "
                f"{cost.cpu_s / events_ * 1e6:.0f} µs of CPU an event, {cost.together_mb:.0f} MB"
            )
        print(f"  {TIMES} times the events take {much.wall_s / small.wall_s:.1f} times as long")
        _sort("reading and sorting alone", parts, folder)


def _elsewhere(work: Callable[..., T], *arguments: object) -> T:
    """In another process: the kernel counts memory that this one had among that of its children."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _files(folder: Path, count: int) -> dict[str, list[Path]]:
    """Of each kind, the parts of an export."""
    ordered = [msgspec.json.encode(event | {"person_properties": {}}) for event in events(count, PEOPLE)]
    rows = list(ordered)
    size = -(-count // PARTS)
    found: dict[str, list[Path]] = {}

    def write(title: str, name: str, written: Callable[[Path, list[bytes]], object]) -> None:
        found[title] = [folder / name.format(part) for part in range(PARTS)]
        for part, file in enumerate(found[title]):
            written(file, rows[part * size : (part + 1) * size])

    random.Random(1).shuffle(rows)
    write("JSON lines, shuffled", "shuffled-{}.jsonl", _write_lines)
    write("Parquet (zstd), shuffled", "shuffled-{}.parquet", _write_parquet)
    rows = ordered
    write("JSON lines, sorted", "sorted-{}.jsonl", _write_lines)
    return found


def _write_lines(file: Path, rows: list[bytes]) -> None:
    file.write_bytes(b"\n".join(rows))


def _write_parquet(file: Path, rows: list[bytes]) -> None:
    with pq.ParquetWriter(file, _columns(rows[:1]).schema, compression="zstd") as writer:
        for begin in range(0, len(rows), _AT_ONCE):
            writer.write_table(_columns(rows[begin : begin + _AT_ONCE]))


def _lines(folder: Path, count: int, part: int) -> Path:
    """A part of many: other events of the same people."""
    rows = [msgspec.json.encode(event | {"person_properties": {}}) for event in events(count, PEOPLE, seed=part + 1)]
    random.Random(part).shuffle(rows)
    file = folder / f"part-{part}.jsonl"
    file.write_bytes(b"\n".join(rows))
    return file


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


def _backfill(files: Sequence[Path], count: int, latency_ms: int = 0) -> Cost:
    """The whole command, on a fresh data directory; every event has to be at the sink in the end."""
    with tempfile.TemporaryDirectory() as made, sink(latency_ms) as where:
        data = Path(made) / "data"
        run(
            data,
            "connect",
            "customerio",
            "--site-id=s",
            "--api-key=k",
            f"--tracking-endpoint={where}",
        )
        cost = run(data, "backfill", "customerio", *map(str, files), "--share=100%", "--json")
        report = get(f"{where}/report")
        assert report["events"] == count, report["events"]
    return cost


def _said(title: str, costs: Sequence[Cost], official: float) -> float:
    rates = [EVENTS / cost.wall_s for cost in costs]
    rate, cpu_us = median(rates), median(cost.cpu_s for cost in costs) / EVENTS * 1e6
    print(
        f"  {title:38} {rate:>8,.0f} events/s ({', '.join(f'{each:,.0f}' for each in rates)}), "
        f"{rate / official:.2f} of the client, {cpu_us:.0f} µs of CPU an event, "
        f"{max(cost.together_mb for cost in costs):.0f} MB"
    )
    return rate


def _sort(title: str, files: Sequence[Path], folder: Path) -> None:
    with (
        tempfile.TemporaryDirectory(dir=folder) as made,
        subprocess.Popen(
            [sys.executable, "-c", _SORT, made, *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdout is not None
        with together(child.pid) as memory:
            count, wall_s, cpu_s, sort_bytes, rows_bytes = map(float, child.stdout.readline().split())
        child.communicate()
    size = sum(file.stat().st_size for file in files)
    print(
        f"  {title:58} {count / wall_s:>8,.0f} rows/s, {cpu_s / count * 1e6:.0f} µs of CPU a row, "
        f"{memory.most_mb:.0f} MB; on disk {(sort_bytes + rows_bytes) / size:.2f} of the files' {size / 1e6:,.0f} MB"
    )
