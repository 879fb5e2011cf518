"""The rows of the files that a command is given, in order of time, a few hundred at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

from hogline.backfill.background import batches, started
from hogline.backfill.files import CannotRead, files_of
from hogline.backfill.order import add_all, in_order
from hogline.backfill.reading import Reading
from hogline.backfill.sorter import Sorter
from hogline.cli.common import err
from hogline.service import Mistake
from hogline.views import Row

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4_000_000
SAY_EVERY_S = 5.0
"""Reading takes a while: report progress, and keep the handle alive."""


def read(sources: tuple[str, ...], *, as_it_comes: bool) -> Reading:
    """Raises `Mistake`."""
    if not sources:
        raise Mistake("Name a file of events, or - for standard input.")
    try:
        return Reading(files_of(sources), time.time_ns() // 1_000_000, live=as_it_comes)
    except CannotRead as problem:
        raise Mistake(str(problem)) from None


async def rows_of(
    reading: Reading, folder: Path, *, as_it_comes: bool, quiet: bool, meanwhile: Callable[[], Awaitable[object]]
) -> AsyncIterator[list[Row]]:
    """`folder`: where rows are put while they are sorted. `meanwhile` is called now and then before the first rows.

    Raises `Mistake`.
    """
    names = [file.name for file in reading.files]
    try:
        if as_it_comes:
            async for some in batches(reading, ROWS_AT_ONCE):
                yield [Row(names[each.file], each.number, each.body) for each in some]
            return
        with Sorter(folder) as sorter:
            sorting = started(lambda: add_all(reading, sorter))
            while not (await asyncio.wait([sorting], timeout=SAY_EVERY_S))[0]:
                if not quiet:
                    _say(reading, sorter)
                await meanwhile()
            await sorting
            for rows in _chunks(in_order(sorter, names)):
                yield rows
    except CannotRead as problem:
        raise Mistake(f"{problem} {_FAILED_LIVE if as_it_comes else _NOTHING_DONE}") from None
    except OSError as error:
        raise Mistake(
            f"The rows cannot be sorted in {folder}: {error.strerror}. Make room there, or choose another data "
            "directory with --data."
        ) from None


_NOTHING_DONE = "Nothing was sent."
_FAILED_LIVE = "What was read before is sent; repeats are recognised."


def _say(reading: Reading, sorter: Sorter) -> None:
    text = f"{sorter.count:,} events read"
    if any(not file.name for file in reading.files):
        text += "; they are put in order when standard input ends (--as-it-comes does not wait for that)"
    err.print(text, style="dim", markup=False)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    some: list[Row] = []
    size_bytes = 0
    for row in rows:
        some.append(row)
        size_bytes += len(row.body)
        if len(some) >= ROWS_AT_ONCE or size_bytes >= BYTES_AT_ONCE:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some
