"""The same rows in every form are the same events in the same order."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has no types
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import (
    SCHEMA,
    TIMES,
    brotli_by_row,
    gzip_by_row,
    history,
    json_lines,
    parquet,
    read,
    shuffled,
    table,
)

from hogline.posthog.entry import decode_event

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROWS = history(20)
SORTED = [row["uuid"] for row in ROWS]


def plain(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json_lines(rows))


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "e.jsonl": plain,
    "one-member.jsonl.gz": lambda rows: gzip.compress(plain(rows)),
    "e.jsonl.gz": gzip_by_row,
    "e.jsonl.br": brotli_by_row,
    "one-stream.jsonl.br": lambda rows: brotli.compress(plain(rows)),
    "e.jsonl.zst": lambda rows: zstd.compress(plain(rows)),
    **{
        f"{codec}.parquet": partial(parquet, codec=codec)
        for codec in ("zstd", "lz4", "snappy", "gzip", "brotli", "none")
    },
    "old-name.parquet.zst": parquet,
    "old-name.parquet.gz": lambda rows: parquet(rows, "gzip"),
    "None-2026-10-08T00:00:00+00:00.parquet": parquet,
    "2026-10-01T00:00:00+00:00-2026-10-08T00:00:00+00:00-1.jsonl.gz": gzip_by_row,
    "groups.parquet": lambda rows: parquet(rows, row_group_size=7),
    "dictionary.parquet": lambda rows: parquet(rows, use_dictionary=True),
}


def identity(body: bytes) -> tuple[object, ...]:
    event = decode_event(body)
    return (
        event.uuid, event.name, event.distinct_id, event.timestamp_ms, event.properties, event.set,
        event.person_properties, event.repaired,
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    file = tmp_path_factory.mktemp("expected") / "sorted.jsonl"
    file.write_bytes(plain(ROWS))
    rows, reading = read(file)
    assert (reading.bad, [row.number for row in rows]) == (0, list(range(1, len(ROWS) + 1)))
    return [identity(row.body) for row in rows]


@pytest.mark.parametrize("name", FORMS)
def test_shuffled_rows_in_every_form_are_read_in_order(
    tmp_path: Path, name: str, expected: list[tuple[object, ...]]
) -> None:
    (tmp_path / name).write_bytes(FORMS[name](shuffled(ROWS)))
    rows, reading = read(tmp_path / name)
    assert reading.first_bad == []
    assert [identity(row.body) for row in rows] == expected


@pytest.mark.parametrize("memory_bytes", [10_000_000, 20_000])
def test_a_folder_of_many_forms_is_one_history(
    tmp_path: Path, memory_bytes: int, expected: list[tuple[object, ...]]
) -> None:
    rows = shuffled(ROWS)
    parts = [rows[n :: len(FORMS)] for n in range(len(FORMS))]
    for (name, form), part in zip(FORMS.items(), parts, strict=True):
        (tmp_path / name).write_bytes(form(part))
    found, reading = read(tmp_path, memory_bytes=memory_bytes)
    assert reading.first_bad == []
    assert [identity(row.body) for row in found] == expected


def test_events_within_a_millisecond_keep_their_order(tmp_path: Path) -> None:
    rows = [
        row
        | {"uuid": f"0199f3a0-0000-7000-8000-{9 - n:012x}", "timestamp": ROWS[0]["timestamp"].replace(microsecond=n)}
        for n, row in enumerate(ROWS[:9])
    ]
    for name in ("e.jsonl", "zstd.parquet"):
        (tmp_path / name).write_bytes(FORMS[name](shuffled(rows)))
        found, _ = read(tmp_path / name)
        assert [decode_event(row.body).uuid for row in found] == [row["uuid"] for row in rows]


def test_every_column_may_be_null(tmp_path: Path) -> None:
    row = ROWS[5]
    (tmp_path / "e.jsonl").write_bytes(plain([row | {"properties": None, "person_properties": None}]))
    rows = [row | {name: None} for name in SCHEMA.names] + [row | {"properties": None, "person_properties": None}]
    (tmp_path / "e.parquet").write_bytes(parquet(rows))
    nothing, _ = read(tmp_path / "e.jsonl")
    found, reading = read(tmp_path / "e.parquet")
    assert identity(nothing[0].body) in [identity(row.body) for row in found]
    assert [(bad.unit, bad.number, bad.sentence.partition(":")[0]) for bad in reading.first_bad] == [
        ("row", 2, "The event has no name"),
        ("row", 3, "The event has no `distinct_id`, or it is blank."),
        ("row", 8, "The event has no time"),
    ]
    assert len(found) == len(rows) - 3
    assert [decode_event(row.body).repaired for row in found].count(("uuid_missing",)) == 1


KINDS: dict[str, tuple[str, pa.DataType, Callable[[Any], Any]]] = {
    "times of nanoseconds": ("timestamp", pa.timestamp("ns", "UTC"), lambda at: at),
    "times of milliseconds": ("timestamp", pa.timestamp("ms", "UTC"), lambda at: at),
    "times of seconds": ("timestamp", pa.timestamp("s", "UTC"), lambda at: at),
    "times without a zone": ("timestamp", pa.timestamp("us"), lambda at: at.replace(tzinfo=None)),
    "times of another zone": ("timestamp", pa.timestamp("us", "America/New_York"), lambda at: at),
    "times as text": ("timestamp", pa.string(), lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f UTC")),
    "times as microseconds": ("timestamp", pa.int64(), lambda at: int(at.timestamp() * 1_000_000)),
    "uuids as bytes": ("uuid", pa.binary(16), lambda uuid: bytes.fromhex(uuid.replace("-", ""))),
    "large texts": ("properties", pa.large_string(), lambda text: text),
    "texts as bytes": ("properties", pa.binary(), lambda text: text.encode()),
    "names in a dictionary": ("event", pa.dictionary(pa.int32(), pa.string()), lambda name: name),
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_other_types_that_say_the_same_are_read(tmp_path: Path, kind: str) -> None:
    column, of, change = KINDS[kind]
    rows = [row | {name: row[name].replace(microsecond=0) for name in TIMES} for row in ROWS]
    schema = pa.schema([field.with_type(of) if field.name == column else field for field in SCHEMA])
    texts = table(rows).to_pylist()
    pq.write_table(
        pa.Table.from_pylist([row | {column: change(row[column])} for row in texts], schema), tmp_path / "e.parquet"
    )
    (tmp_path / "e.jsonl").write_bytes(plain(rows))
    found, reading = read(tmp_path / "e.parquet")
    expected, _ = read(tmp_path / "e.jsonl")
    assert reading.first_bad == []
    assert [identity(row.body) for row in found] == [identity(row.body) for row in expected]


def test_columns_of_structs_and_new_columns_are_read(tmp_path: Path) -> None:
    row = ROWS[0] | {"properties": {"n": 1}, "brand_new": 5, "elements_chain": None}
    pq.write_table(pa.Table.from_pylist([row]).drop_columns("person_properties"), tmp_path / "e.parquet")
    (found,), reading = read(tmp_path / "e.parquet")
    assert reading.first_bad == []
    assert decode_event(found.body).properties == {"n": 1}


def warehouse_rows(time: Callable[[Any], object]) -> list[dict[str, Any]]:
    """The columns of PostHog's exports into warehouses; JSON is text there."""
    return [
        {
            "uuid": row["uuid"],
            "event": row["event"],
            "properties": msgspec.json.encode(row["properties"]).decode(),
            "elements": "",
            "set": "",
            "set_once": "",
            "distinct_id": row["distinct_id"],
            "team_id": 2,
            "ip": "",
            "site_url": "",
            "timestamp": time(row["timestamp"]),
        }
        for row in shuffled(ROWS)
    ]


def as_csv(rows: list[dict[str, Any]], **options: Any) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), **options)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_json(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def nested(rows: list[dict[str, Any]]) -> bytes:
    return as_json([row | {"properties": msgspec.json.decode(row["properties"])} for row in rows])


def capitals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name.upper(): value for name, value in row.items()} for row in rows]


UNLOADS: dict[str, Callable[[], bytes]] = {
    "BigQuery, JSON": lambda: as_json(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))),
    "BigQuery, JSON columns": lambda: nested(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))),
    "BigQuery, CSV": lambda: as_csv(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))),
    "Snowflake, CSV": lambda: as_csv(
        capitals(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f Z"))), quoting=csv.QUOTE_ALL
    ),
    "Snowflake, objects": lambda: nested(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f +0000"))).replace(
        b'"timestamp"', b'"TIMESTAMP"'
    ).replace(b'"event"', b'"EVENT"').replace(b'"distinct_id"', b'"DISTINCT_ID"').replace(b'"uuid"', b'"UUID"').replace(
        b'"properties"', b'"PROPERTIES"'
    ),
    "Redshift, CSV": lambda: as_csv(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f"))),
    "Redshift, pipes": lambda: as_csv(
        warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f")), delimiter="|", quoting=csv.QUOTE_ALL
    ),
    "Redshift, JSON": lambda: as_json(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f+00"))),
    "Postgres, CSV": lambda: as_csv(warehouse_rows(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f+00"))),
    "Postgres, row_to_json": lambda: nested(warehouse_rows(lambda at: at.isoformat())),
    "Databricks, CSV": lambda: as_csv(warehouse_rows(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "+00:00")),
    "Databricks, CSV as Spark writes it": lambda: as_csv(
        warehouse_rows(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"), escapechar="\\", doublequote=False
    ),
    "Databricks, JSON": lambda: as_json(warehouse_rows(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z")),
}  # fmt: skip


@pytest.mark.parametrize("unload", UNLOADS)
def test_what_warehouses_unload_is_read_in_order(tmp_path: Path, unload: str, expected: list[tuple[Any, ...]]) -> None:
    (tmp_path / "unloaded").write_bytes(UNLOADS[unload]())
    found, reading = read(tmp_path / "unloaded")
    assert reading.first_bad == []
    assert [identity(row.body) for row in found] == expected
