"""Rows of a Parquet file, each as the values of its columns by name. pyarrow is an extra of Hogline's.

Reads a few rows of one row group at a time, so a file of any length takes the same memory.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, BinaryIO, TypeAlias
from uuid import UUID

from hogline.backfill.files import CannotRead
from hogline.backfill.persons import is_person

MAGIC = b"PAR1"
_ROWS_AT_ONCE = 1_000
_BUFFER_BYTES = 256 * 1024
_UUID_BYTES = 16

Rows: TypeAlias = Iterator[tuple[int, dict[str, object] | str]]
"""Each with its number in the file, from 1 on; a text is a sentence about why it, or what follows, cannot be read."""


def rows_of(stream: BinaryIO, name: str) -> Rows:
    """Raises `CannotRead` where there is no pyarrow, and whatever reading the stream raises."""
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise CannotRead(
            f"{name} is a Parquet file. Reading it needs pyarrow: pip install 'hogline[parquet]'."
        ) from None
    pa.set_memory_pool(pa.system_memory_pool())  # its own keeps 30 MB more for itself
    watched = _Watched(stream)
    try:
        file = parquet.ParquetFile(watched, buffer_size=_BUFFER_BYTES)
    except (pa.ArrowException, OSError):
        watched.fail()
        yield 1, "The file is cut off or damaged: it does not end as a Parquet file does. Export or copy it again."
        return
    if (problem := _wrong_columns(file.schema_arrow, pa.types)) is not None:
        yield 1, problem
        return
    number = 0
    for group in range(file.metadata.num_row_groups):
        end = number + file.metadata.row_group(group).num_rows
        try:
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], use_threads=False):
                for row in _rows(batch, pa):
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            watched.fail()
            yield number + 1, f"The file is damaged here: rows {number + 1:,} to {end:,} cannot be read."
        number = end
    pa.default_memory_pool().release_unused()  # what Arrow keeps for more files would last as long as the process


class _Watched(io.RawIOBase):
    """A stream that remembers what it raised: Arrow raises OSError for damage, too."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as failure:
            self._failure = failure
            raise

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def fail(self) -> None:
        """Raise what the stream raised, if it did."""
        if self._failure is not None:
            raise self._failure


def _wrong_columns(schema: Any, types: Any) -> str | None:  # noqa: ANN401  # pyarrow has no types
    """A sentence about a column that an event needs, and that is missing or holds something else."""
    kinds = {field.name.lower(): _inner(field.type, types) for field in schema}
    if is_person(kinds):
        return None
    for name, fits, what in (
        ("event", _is_text(types), "texts"),
        ("distinct_id", _is_text(types), "texts"),
        ("timestamp", _is_time(types), "times"),
        ("properties", _is_json(types), "JSON texts or structs"),
    ):
        if name not in kinds:
            if name == "properties":
                continue
            return f"The file has no column `{name}`. It needs uuid, event, distinct_id, properties and timestamp."
        if not fits(kinds[name]):
            return f"The column `{name}` must hold {what}, and holds {kinds[name]}. Export it as PostHog does."
    return None


def _inner(kind: Any, types: Any) -> Any:  # noqa: ANN401
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_text(types: Any) -> Callable[[Any], bool]:  # noqa: ANN401
    checks = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    return lambda kind: any(check(kind) for check in (*checks, types.is_integer, types.is_null))


def _is_time(types: Any) -> Callable[[Any], bool]:  # noqa: ANN401
    text, others = _is_text(types), (types.is_timestamp, types.is_date, types.is_floating)
    return lambda kind: text(kind) or any(check(kind) for check in others)


def _is_json(types: Any) -> Callable[[Any], bool]:  # noqa: ANN401
    text = _is_text(types)
    return lambda kind: (text(kind) and not types.is_integer(kind)) or types.is_struct(kind) or types.is_map(kind)


def _rows(batch: Any, pa: ModuleType) -> Iterator[dict[str, object]]:  # noqa: ANN401
    names: Sequence[str] = batch.schema.names
    columns = [_values(column, pa) for column in batch.columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _values(column: Any, pa: Any) -> list[object]:  # noqa: ANN401
    types = pa.types
    kind = _inner(column.type, types)
    if types.is_timestamp(kind):
        # UTC without its zone: to write another one, Arrow needs the system's database of zones.
        instants = column.cast(pa.timestamp("us", kind.tz), safe=False)
        column = instants.cast(pa.timestamp("us")).cast(pa.string())
    elif types.is_date(kind) or types.is_decimal(kind):
        column = column.cast(pa.string())
    values: list[object] = column.to_pylist()
    if types.is_fixed_size_binary(kind) and kind.byte_width == _UUID_BYTES:
        return [None if value is None else str(UUID(bytes=value)) for value in values]  # type: ignore[arg-type]
    if types.is_map(kind):
        return [value if value is None else dict(value) for value in values]  # type: ignore[call-overload]
    if types.is_binary(kind) or types.is_large_binary(kind):
        return [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
    return [str(value) if isinstance(value, UUID) else value for value in values]
