"""Tables of events as CSV: each row as the JSON object that it would be in an export of JSON lines.

A value is a text; one that is empty is not there. Knows nothing of what the columns mean but which two an event needs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from hogline.backfill.unpacking import CHUNK_BYTES, put_back, read_ahead

_DELIMITERS = ",;\t|"
_NEEDED = {"event", "distinct_id"}


class TableRow(Struct, frozen=True):
    line: int
    """Where it begins, counted from 1."""
    body: bytes
    problem: str = ""
    """Why it could not be read; then `body` is empty."""


def delimiter_of(header: bytes) -> str | None:
    """What stands between the columns, if this line names those of a table of events; else None."""
    text = header.decode("utf-8-sig", "replace")
    return next((mark for mark in _DELIMITERS if _names(text, mark) >= _NEEDED), None)


def _names(header: str, delimiter: str) -> set[str]:
    try:
        return {name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])}
    except csv.Error:
        return set()


def _has_backslashes(head: bytes) -> bool:
    """Spark, and so Databricks, escapes quotes with a backslash; others double them. JSON objects have plenty."""
    return b'"{\\"' in head and b'"{""' not in head


def rows(stream: BinaryIO, delimiter: str, *, first_line: int, most_bytes: int) -> Iterator[TableRow]:
    """The rows of a table whose header is the first line of the stream, and that line `first_line` of the file."""
    csv.field_size_limit(most_bytes)
    head, rest = read_ahead(stream, CHUNK_BYTES)
    text = io.TextIOWrapper(put_back(head, rest), "utf-8-sig", errors="replace", newline="")
    if _has_backslashes(head):
        reader = csv.reader(text, delimiter=delimiter, escapechar="\\", doublequote=False)
    else:
        reader = csv.reader(text, delimiter=delimiter)
    names = [name.strip() for name in next(reader)]
    while True:
        line = first_line + reader.line_num
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield TableRow(line, b"", "This row is not valid CSV. Is a quote missing?")
            continue
        if len(values) > len(names):
            yield TableRow(line, b"", "This row has more values than the header has columns.")
        elif any(values):
            event = {name: value for name, value in zip(names, values, strict=False) if value}
            yield TableRow(line, json.dumps(event).encode())
