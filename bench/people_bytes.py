"""What people take on disk: bytes in `state.db` for each bare visitor, and for each sign-in of one of them.

A visitor has one event, and nothing is known about them. A sign-in is an `$identify` with an email that joins a visitor
to a user. Visitors' ids are those of posthog-js: UUIDs version 7, in order of time. Free space in pages is included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from bench.processes import run, sandbox
from bench.traffic import START_MS
from hogline.posthog import uuid7

PEOPLE = 50_000


def main() -> None:
    print(f"bytes in state.db for each of {PEOPLE:,} people")
    visitors = [uuid7(START_MS + number * 50) for number in range(PEOPLE)]
    for whom in ("all", "identified"):
        with tempfile.TemporaryDirectory() as folder, sandbox() as url:
            data, file = Path(folder) / "data", Path(folder) / "events.jsonl"
            run(
                data, "connect", "customerio", "--site-id=sandbox-site", "--api-key=sandbox-key",
                f"--tracking-endpoint={url}", f"--anonymous-users={whom}",
            )  # fmt: skip
            at_first = _bytes(data)
            _send(data, file, _visits(visitors))
            visited = _bytes(data)
            _send(data, file, _sign_ins(visitors))
            print(f"  anonymous_users={whom}: {(visited - at_first) / PEOPLE:.0f} a bare visitor, "
                  f"{(_bytes(data) - visited) / PEOPLE:.0f} a sign-in")  # fmt: skip
            for table, size in _tables(data):
                print(f"    {table:28} {size / PEOPLE:6.0f}")


def _send(data: Path, file: Path, events: Iterable[dict[str, object]]) -> None:
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    run(data, "send", str(file))


def _tables(data: Path) -> list[tuple[str, int]]:
    """The largest tables and indexes, with their sizes."""
    return _asked(data, "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 7")


def _bytes(data: Path) -> int:
    ((size,),) = _asked(data, "SELECT sum(pgsize) FROM dbstat")
    return int(size)


def _asked(data: Path, sql: str) -> list[Any]:
    database = apsw.Connection(str(data / "state.db"))
    found = database.execute(sql).fetchall()
    database.close()
    return found


def _visits(visitors: Iterable[str]) -> Iterator[dict[str, object]]:
    for number, visitor in enumerate(visitors):
        yield {
            "event": "$pageview",
            "distinct_id": visitor,
            "timestamp": START_MS + number * 50,
            "properties": {"$current_url": "https://shop.example/"},
        }


def _sign_ins(visitors: Iterable[str]) -> Iterator[dict[str, object]]:
    for number, visitor in enumerate(visitors):
        yield {
            "event": "$identify",
            "distinct_id": f"user-{number}",
            "timestamp": START_MS + number * 50 + 1,
            "properties": {"$anon_distinct_id": visitor, "$set": {"email": f"user-{number}@example.com"}},
        }
