"""Rows as PostHog exports them, and files of them in every form."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import gettempdir
from typing import Any
from uuid import UUID

import brotli  # type: ignore[import-untyped]  # it has no types
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from hogline.backfill.files import files_of
from hogline.backfill.order import add_all, in_order
from hogline.backfill.reading import Reading
from hogline.backfill.sorter import Sorter
from hogline.backfill.views import Row

RECEIVED_MS = 1_793_527_200_000
START = datetime(2026, 10, 1, 8, tzinfo=UTC)
TIMES = ("timestamp", "created_at", "_inserted_at")

SCHEMA = pa.schema(
    [
        ("uuid", pa.string()),
        ("event", pa.string()),
        ("distinct_id", pa.string()),
        ("person_id", pa.string()),
        ("properties", pa.string()),
        ("person_properties", pa.string()),
        ("elements_chain", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("created_at", pa.timestamp("us", "UTC")),
        ("_inserted_at", pa.timestamp("us", "UTC")),
    ]
)
"""What PostHog writes; every column is nullable."""


def history(people: int = 300) -> list[dict[str, Any]]:
    """Nine events of each person, in order: three before they sign up, the sign-up, five after it."""
    rows = []
    for person in range(people):
        for number in range(9):
            anonymous = number < 3
            properties: dict[str, Any] = {"n": number}
            if number == 3:
                properties |= {"$anon_distinct_id": f"visitor-{person}", "$set": {"email": f"u{person}@example.com"}}
            if number == 6:
                properties["$set"] = {"plan": "pro", "email": f"u{person}@example.com"}
            at = START + timedelta(hours=number, seconds=person, microseconds=person * 7 + number)
            rows.append(
                {
                    "uuid": str(UUID(int=0x0199F3A0 << 96 | person << 16 | number)),
                    "event": "$pageview" if anonymous else "$identify" if number == 3 else "ordered",
                    "distinct_id": f"visitor-{person}" if anonymous else f"user-{person}",
                    "person_id": str(UUID(int=person)),
                    "properties": properties,
                    "person_properties": {},
                    "elements_chain": "",
                    "timestamp": at,
                    "created_at": at,
                    "_inserted_at": at,
                }
            )
    return sorted(rows, key=lambda row: (row["timestamp"], row["uuid"]))


def shuffled(rows: Sequence[dict[str, Any]], seed: int = 7) -> list[dict[str, Any]]:
    return Random(seed).sample(rows, len(rows))


def json_lines(rows: Iterable[dict[str, Any]]) -> list[bytes]:
    return [
        msgspec.json.encode(row | {name: row[name] and row[name].isoformat() for name in TIMES}) + b"\n" for row in rows
    ]


def table(rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    texts = [
        {name: msgspec.json.encode(value).decode() if isinstance(value, dict) else value for name, value in row.items()}
        for row in rows
    ]
    return pa.Table.from_pylist(texts, schema)


def parquet(rows: Sequence[dict[str, Any]], codec: str = "zstd", **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table(rows), out, compression=codec, **options)
    return out.getvalue()


def gzip_by_row(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(gzip.compress(line) for line in json_lines(rows))


def brotli_by_row(rows: Iterable[dict[str, Any]]) -> bytes:
    compressor = brotli.Compressor(quality=5)
    packed = [compressor.process(line) + compressor.flush() for line in json_lines(rows)]
    return b"".join([*packed, compressor.finish()])


def read(*sources: str | Path, memory_bytes: int = 10_000_000) -> tuple[list[Row], Reading]:
    """The rows of these sources in order."""
    reading = Reading(files_of([str(source) for source in sources]), RECEIVED_MS)
    with Sorter(Path(gettempdir()), memory_bytes=memory_bytes) as sorter:
        add_all(reading, sorter)
        return list(in_order(sorter, [file.name for file in reading.files])), reading
