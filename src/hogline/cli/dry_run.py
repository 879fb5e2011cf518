"""hogline backfill --dry-run: what a run would lead to."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hogline.backfill.background import started
from hogline.backfill.files import CannotRead, File
from hogline.backfill.prepare import Preparation
from hogline.backfill.run_file import read_rows
from hogline.backfill.runs import Prepared
from hogline.backfill.sorted_rows import ROWS, Window
from hogline.backfill.views import DryRunView
from hogline.cli.common import Common, Failed, err, out, print_json, run
from hogline.cli.files import print_bad_rows
from hogline.cli.progress import Progress
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo

MOST_NAMES = 20
MOST_DAYS = 31
SAY_EVERY_S = 1.0


def show_dry_run(
    connection: str,
    files: Sequence[File],
    before_ms: int | None,
    share: int,
    price: float | None,
    *,
    json: bool,
    common: Common,
) -> None:
    """Raises `CannotDo`, and `Failed` if rows cannot be read."""
    found, prepared = run(_work(connection, files, Window(before_ms), share, json=json, common=common))
    if json:
        cost = None if price is None else found.customers * price
        print_json({"dry_run": found, "left_out": prepared.left_out, "cost": cost, "bad_lines": prepared.first_bad})
    else:
        _print(found, prepared, price)
        print_bad_rows(prepared.first_bad, prepared.bad, several=len(files) > 1)
    if prepared.bad:
        raise Failed


async def _work(
    connection: str, files: Sequence[File], window: Window, share: int, *, json: bool, common: Common
) -> tuple[DryRunView, Prepared]:
    settings = common.settings()
    async with service_for(settings) as service:
        handle = await service.dry_runs.begin(connection)
        with tempfile.TemporaryDirectory(dir=settings.data, prefix=".dry-run-") as made, Progress(json=json) as bars:
            folder = Path(made)
            preparation = Preparation(files, folder, time.time_ns() // 1_000_000, window)
            preparing = started(preparation.prepare)
            try:
                while not (await asyncio.wait([preparing], timeout=SAY_EVERY_S))[0]:
                    bars.reading(preparation.read, preparation.written)
                prepared = await preparing
            except CannotRead as problem:
                raise CannotDo(str(problem)) from None
            except OSError as error:
                raise CannotDo(
                    f"The rows cannot be sorted in {settings.data}: {error.strerror}. Make room there."
                ) from None
            finally:
                preparation.stop()
            for rows in read_rows(folder / ROWS):
                await service.dry_runs.rows(handle, rows)
            return await service.dry_runs.end(handle, share), prepared


def _print(found: DryRunView, prepared: Prepared, price: float | None) -> None:
    out.print(f"Dry run for {found.connection}: {found.events:,} events. Nothing is sent.", markup=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for title, value, style in _rows(found, prepared, price):
        table.add_row(Text(title, style=style), value)
    out.print(table)
    by_name, by_day = Counter[str](), Counter[str]()
    for one in found.by_day:
        by_name[one.event] += one.count
        by_day[one.day] += one.count
    _print_counts("event", dict(by_name.most_common()), MOST_NAMES)
    _print_counts("day", by_day, MOST_DAYS)
    _print_counts("attribute", found.attributes, MOST_NAMES)
    if found.younger_than_72_hours:
        err.print(
            f"{found.younger_than_72_hours:,} events are younger than 72 hours and can start campaigns. --older-than "
            "72h leaves them out.",
            style="yellow",
        )


def _rows(found: DryRunView, prepared: Prepared, price: float | None) -> Iterator[tuple[str, str, str]]:
    yield "delivered", f"{found.delivered:,}", "bold"
    for title, counts in (
        ("filtered", found.filtered), ("failures", found.failures), ("adjusted values", found.adjusted),
        ("left out", prepared.left_out),
    ):  # fmt: skip
        if counts:
            yield title, f"{sum(counts.values()):,}", "bold"
            for reason, n in sorted(counts.items(), key=lambda item: -item[1]):
                yield f"  {reason}", f"{n:,}", ""
    if found.held:
        yield "held", f"{found.held:,}", "bold"
    yield "new customers", f"{found.customers:,}", "bold"
    if found.customers_left != found.customers:
        yield "  left after merges", f"{found.customers_left:,}", ""
    if price is not None:
        yield f"  at {price:g} each a month", f"{found.customers * price:,.2f}", ""
    yield "requests", f"{found.requests:,}", "bold"
    yield "time, at least", _span(found.seconds), "bold"


def _print_counts(title: str, counts: Mapping[str, int], most: int) -> None:
    if not counts:
        return
    out.print()
    table = Table(title, "", box=None, pad_edge=False, header_style="dim")
    table.columns[1].justify = "right"
    names = list(counts.items())
    for name, n in names[:most]:
        table.add_row(Text(name), f"{n:,}")
    if len(names) > most:
        table.add_row(Text(f"… and {len(names) - most:,} more", style="dim"), f"{sum(n for _, n in names[most:]):,}")
    out.print(table)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
