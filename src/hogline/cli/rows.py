"""The rows of the files that a command is given, in order of time, a few hundred at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from hogline.backfill.background import batches, started
from hogline.backfill.files import CannotRead, File, files_of
from hogline.backfill.order import add_all, in_order
from hogline.backfill.posthog import SCHEME, SCOPES, Model, PostHogExports
from hogline.backfill.reading import Reading
from hogline.backfill.sorter import Sorter
from hogline.backfill.views import Row
from hogline.cli.common import err
from hogline.cli.posthog import personal_key
from hogline.service import CannotDo

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4_000_000
SAY_EVERY_S = 5.0
"""Reading takes a while: report progress, and keep the handle alive."""


def read(
    sources: tuple[str, ...], *, as_it_comes: bool, since: datetime | None = None, until: datetime | None = None
) -> Reading:
    """`since`, `until`: of sources in PostHog itself. Raises `CannotDo`."""
    return Reading(named(sources, since, until), time.time_ns() // 1_000_000, live=as_it_comes)


def named(
    sources: tuple[str, ...], since: datetime | None, until: datetime | None, model: Model = "events"
) -> list[File]:
    """The files of all sources; of PostHog itself those of one model. Raises `CannotDo`."""
    if not sources:
        raise CannotDo("Name a file of events, or - for standard input.")
    try:
        return [file for source in sources for file in _files(source, since, until, model)]
    except CannotRead as problem:
        raise CannotDo(str(problem)) from None


def _files(source: str, since: datetime | None, until: datetime | None, model: Model) -> list[File]:
    """Raises `CannotRead`."""
    if not source.startswith(SCHEME):
        return files_of([source])
    if since is None:
        raise CannotRead(f"Say from when on to read {source}, with --since 2026-01-01.")
    now = datetime.now(UTC)
    end = now if until is None else min(_in_utc(until), now)
    if _in_utc(since) >= end:
        raise CannotRead("--since must be before --until and before now.")
    return PostHogExports(source, personal_key(SCOPES)).files(_in_utc(since), end, model)


def _in_utc(moment: datetime) -> datetime:
    """A time without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


async def rows_of(
    reading: Reading, folder: Path, *, as_it_comes: bool, quiet: bool, meanwhile: Callable[[], Awaitable[object]]
) -> AsyncIterator[list[Row]]:
    """`folder`: where rows are put while they are sorted. `meanwhile` is called now and then before the first rows.

    Raises `CannotDo`.
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
        raise CannotDo(f"{problem} {_FAILED_LIVE if as_it_comes else _NOTHING_DONE}") from None
    except OSError as error:
        raise CannotDo(
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
