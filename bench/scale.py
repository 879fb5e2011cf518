"""One Hogline on PostgreSQL against one on files: events received and delivered, and what they cost in CPU.

Rows alternate between the two stores. CPU seconds say more than rates on a machine that does other things.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
import psycopg

from bench import events
from bench.load import Job
from bench.processes import get, run, sandbox
from bench.serve import _load, serving_to, sink
from bench.traffic import lines
from hogline.store import copying
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.event_log import PostgresqlEventLog
from hogline.testing.postgresql import Server, private

RUNS = 3
COPIED = 500_000
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    jobs = {
        "webhooks of one event, 64 connections": Job("", "", requests=10_000, connections=64, batch=1),
        "/batch of 50, 16 connections": Job("", "", requests=2_000, connections=16, batch=50),
    }
    print(f"hogline serve on files and on PostgreSQL (fsync on, same machine): median of {RUNS} runs")
    with private(durable=True) as server:
        for title, job in jobs.items():
            print(f"  {title}")
            rows: dict[str, list[tuple[float, float, float]]] = {"files": [], "PostgreSQL": []}
            for _ in range(RUNS):
                rows["files"].append(_once(job, None))
                rows["PostgreSQL"].append(_once(job, server))
            for name, found in rows.items():
                per_s, own_us, server_us = (median(column) for column in zip(*found, strict=True))
                print(f"    {name:<10} {per_s:>8,.0f} events/s, CPU per event: Hogline {own_us:.0f} µs, "
                      f"PostgreSQL {server_us:.0f} µs")  # fmt: skip
        asyncio.run(_event_log(server))
        _copies(server)


async def _event_log(server: Server) -> None:
    with _stored(server):
        url = server.url("postgres")
        copying.create(url)
        aside = Aside(url, "bench")
        log = PostgresqlEventLog(aside)
        own_s, server_s = time.process_time(), _of(server)
        await events.fill(log)
        own_s, server_s = time.process_time() - own_s, _of(server) - server_s
        with psycopg.connect(url) as link:
            size = link.execute(
                "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
                " WHERE relkind = 'r' AND relname LIKE 'event_%'"
            ).fetchone()
        assert size is not None
        own_us, server_us = (cpu_s / events.LOGGED * 1e6 for cpu_s in (own_s, server_s))
        print(f"an event log of {events.LOGGED:,} events ({size[0] / 1e9:.1f} GB); CPU for writing an event: Hogline "
              f"{own_us:.1f} µs, PostgreSQL {server_us:.1f} µs")  # fmt: skip
        await events.search(log)
        await aside.close()


def _copies(server: Server) -> None:
    """How long `hogline store copy` takes for a data directory after a run of events, and back."""
    with tempfile.TemporaryDirectory() as folder:
        data, back = Path(folder) / "data", Path(folder) / "back"
        file = Path(folder) / "events.jsonl"
        file.write_bytes(b"".join(lines(COPIED, COPIED // 20)))
        key = Vault.new_key()
        os.environ["HOGLINE_SECRET_KEY"] = key
        try:
            with sandbox() as where:
                run(data, "connect", "customerio", "--site-id=sandbox-site", "--api-key=sandbox-key",
                    f"--tracking-endpoint={where}")  # fmt: skip
                run(data, "send", str(file))
        finally:
            del os.environ["HOGLINE_SECRET_KEY"]
        megabytes = sum(each.stat().st_size for each in data.glob("*.db")) / 1e6
        with _stored(server):
            url = server.url("postgres")
            for way, copy in (
                ("into PostgreSQL", partial(copying.from_directory, data, url, key, lambda _: None)),
                ("and back", partial(copying.to_directory, url, key, back, lambda _: None)),
            ):
                own_s, server_s, begin = time.process_time(), _of(server), time.perf_counter()
                done = copy()
                print(f"a data directory of {COPIED:,} events ({megabytes:,.0f} MB, {done.rows:,} rows) {way}: "
                      f"{time.perf_counter() - begin:.0f} s; CPU: Hogline {time.process_time() - own_s:.0f} s, "
                      f"PostgreSQL {_of(server) - server_s:.0f} s")  # fmt: skip


def _once(job: Job, server: Server | None) -> tuple[float, float, float]:
    """Events per second, and microseconds of CPU for each: of Hogline, and of PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, sink(0) as where, _stored(server):
        with serving_to(Path(folder), where) as (serve, url, token):
            ready = msgspec.structs.replace(job, url=url, token=token)
            before, postgresql = _cpu_s([serve.pid]), _of(server)
            with _load(ready) as start:
                begin = time.perf_counter()
                told = start()
            assert told.failed == 0
            events = job.requests * job.batch
            while get(f"{where}/report")["events"] < events:
                assert time.perf_counter() - begin < 300
                time.sleep(0.02)
            wall_s = time.perf_counter() - begin
            own_s, server_s = _cpu_s([serve.pid]) - before, _of(server) - postgresql
        return events / wall_s, own_s / events * 1e6, server_s / events * 1e6


@contextmanager
def _stored(server: Server | None) -> Iterator[None]:
    """HOGLINE_STORE is an empty database, or unset."""
    if server is None:
        yield
        return
    url = server.url("postgres")
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(b"DROP SCHEMA IF EXISTS hogline CASCADE")
    os.environ |= {"HOGLINE_STORE": url, "HOGLINE_SECRET_KEY": Vault.new_key()}
    try:
        yield
    finally:
        del os.environ["HOGLINE_STORE"], os.environ["HOGLINE_SECRET_KEY"]


def _of(server: Server | None) -> float:
    """CPU of PostgreSQL's processes, also of those that ended."""
    if server is None:
        return 0.0
    while True:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text("ascii").split()
        with suppress(FileNotFoundError):  # one ended at this moment
            return _cpu_s([server.pid, *map(int, children)], ended=server.pid)


def _cpu_s(pids: list[int], ended: int = 0) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
        if pid == ended:
            total += int(fields[13]) + int(fields[14])
    return total / _TICKS
