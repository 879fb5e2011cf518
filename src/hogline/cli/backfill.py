"""hogline backfill: older events, to one connection, in order, and so that it can be stopped at any time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hogline.backfill.background import started
from hogline.backfill.files import CannotRead, File
from hogline.backfill.prepare import Preparation, key_of
from hogline.backfill.runs import DEFAULT_SHARE, FOLDER, Prepared, Wanted, held_by_reader
from hogline.backfill.sorted_rows import Window
from hogline.backfill.views import Delivery, RunView
from hogline.cli.common import Common, Failed, Json, err, print_json, run
from hogline.cli.dry_run import show_dry_run
from hogline.cli.files import Files, Since, Until, print_bad_rows, print_delivery
from hogline.cli.progress import Progress
from hogline.cli.rows import named
from hogline.cli.spans import milliseconds, percent
from hogline.reasons import SENDING_STATES
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo, Service

_DEFAULT = Common()
SAY_EVERY_S = 1.0
STDIN_NAME = "standard input"


def backfill(
    connection: Annotated[str, Parameter(help="The connection that gets the events, as in `hogline connections`.")],
    /,
    *sources: Files,
    persons: Annotated[
        list[str] | None,
        Parameter(
            name="--persons",
            negative="",
            help="PostHog's export of people (the model persons), as a file, folder or address. It is read first, so "
            "merges, emails and filters are right from the first event.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    older_than: Annotated[
        str, Parameter(help="Only events older than this, such as 72h or 3d. Newer ones can start campaigns.")
    ] = "",
    share: Annotated[
        str, Parameter(help="At most this share of the connection's requests, so live events get the rest.")
    ] = f"{DEFAULT_SHARE}%",
    dry_run: Annotated[
        bool,
        Parameter(
            negative="",
            help="Send nothing. Show what the run would do: events, new customers, attributes, requests, time.",
        ),
    ] = False,
    price: Annotated[
        float | None, Parameter(help="With --dry-run: what a customer costs you a month, such as 0.009.")
    ] = None,
    again: Annotated[
        bool, Parameter(negative="", help="Send everything again, although this run is finished.")
    ] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Send older events to a connection: all of your history or a part of it.

    All files are read first and their events are sorted by time, then uuid. Then they are delivered next to live
    events, which go first. Stop it whenever you like: the same command continues where it was, and one that is finished
    sends nothing. Exits with 1 if there are failures, or if a row could not be read.
    """
    if not sources:
        raise CannotDo("Name the connection first, then the files: `hogline backfill CONNECTION FILES`.")
    files = (
        [*named(tuple(persons), since, until, "persons"), *named(sources, since, until)]
        if persons
        else named(sources, since, until)
    )
    if price is not None and not dry_run:
        raise CannotDo("--price only works with --dry-run.")
    before_ms = _now_ms() - milliseconds(older_than) if older_than else None
    if dry_run:
        show_dry_run(connection, files, before_ms, percent(share), price, json=json, common=common)
        return
    asked = [*(persons or ()), "", *map(absolute, sources), str(since), str(until), older_than]
    shown, key = shown_names(files, sources), run_key(files, asked)
    wanted = Wanted(connection=connection, sources=shown, key=key, share=percent(share))
    view = run(backfilled(wanted, files, Window(before_ms), again=again, json=json, common=common))
    report(view, json=json)


ELSEWHERE = (
    "Files are sorted in the data directory of the process that delivers, and this is not it. Run this command there "
    "(`hogline workers` shows where), with the same --data. Nothing was sent."
)


async def backfilled(
    wanted: Wanted, files: Sequence[File], window: Window, *, again: bool, json: bool, common: Common
) -> RunView:
    """Begin or continue a run, and watch it until it is over or cannot go on without you. Raises `CannotDo`."""
    settings = common.settings()
    async with service_for(settings, delivers=True) as service:
        view = await service.backfills.begin(wanted, again=again)
        if view.state == "finished":
            if not json:
                err.print(
                    f"This run finished on {datetime.fromtimestamp(view.finished_ms / 1_000, UTC):%Y-%m-%d %H:%M} UTC. "
                    "Nothing is sent. --again sends everything again."
                )
            return view
        with Progress(json=json) as progress:
            if view.state == "reading":
                folder = Path(settings.data) / FOLDER / f"{view.number:06}"
                if not folder.is_dir():
                    await service.backfills.cancel(view.number)
                    raise CannotDo(ELSEWHERE)
                preparation = Preparation(files, folder, _now_ms(), window)
                with held_by_reader(folder):
                    prepared = await _prepared(service, view.number, preparation, progress)
                view = await service.backfills.ready(view.number, prepared)
            return await followed(service, view, progress)


async def _prepared(service: Service, number: int, preparation: Preparation, progress: Progress) -> Prepared:
    """Read and sort. Raises `CannotDo`."""
    preparing = started(preparation.prepare)
    try:
        while not (await asyncio.wait([preparing], timeout=SAY_EVERY_S))[0]:
            progress.reading(preparation.read, preparation.written)
            await service.backfills.note_read(number, preparation.read)
        return await preparing
    except CannotRead as problem:
        await service.backfills.cancel(number)
        raise CannotDo(f"{problem} Nothing was sent.") from None
    except OSError as error:
        await service.backfills.cancel(number)
        raise CannotDo(
            f"The rows cannot be sorted in {preparation.folder}: {error.strerror}. Make room there, or choose "
            "another data directory with --data."
        ) from None
    except asyncio.CancelledError:
        await service.backfills.cancel(number)
        raise
    finally:
        preparation.stop()


async def followed(service: Service, view: RunView, progress: Progress) -> RunView:
    """Watch a run until it is over, or cannot go on without you. Interrupting it pauses the run."""
    try:
        while view.state == "sending":
            progress.sending(view)
            if _needs_you(view.connections):
                break
            view = await service.backfills.show(view.number, SAY_EVERY_S)
    except asyncio.CancelledError:
        await service.backfills.pause(view.number)
        how = f"`hogline backfills resume {view.number}`" if STDIN_NAME in view.sources else "The same command"
        err.print(f"Run {view.number} is paused. {how} continues it.")
        raise
    if view.state == "finished":
        progress.sending(view)
    return view


def _needs_you(deliveries: Sequence[Delivery]) -> bool:
    """Nothing more happens until a connection runs again. Even if it has settled its events, the run waits for it, to
    know that."""
    pending = [one.state for one in deliveries if one.pending]
    if pending:
        return SENDING_STATES.isdisjoint(pending)
    return any(one.state not in SENDING_STATES for one in deliveries)


def report(view: RunView, *, json: bool) -> None:
    """What came of a run. Raises `Failed` if something needs attention."""
    if json:
        print_json({"run": view, "connections": view.connections, "bad_lines": view.first_bad})
    else:
        for delivery in view.connections:
            print_delivery(delivery)
        for reason, n in view.left_out.items():
            err.print(f"  left out: {reason} {n:,}", markup=False)
        if view.state != "finished":
            err.print(f"Run {view.number} is {view.state}{f': {view.reason}' if view.reason else ''}.", markup=False)
        print_bad_rows(view.first_bad, view.bad, several=len(view.sources) > 1)
    if view.bad or view.state != "finished" or any(one.failures for one in view.connections):
        raise Failed


def run_key(files: Sequence[File], asked: Sequence[str]) -> str:
    """The same for the same files and questions. Raises `CannotDo`."""
    try:
        return key_of(files, asked)
    except CannotRead as problem:
        raise CannotDo(str(problem)) from None


def absolute(source: str) -> str:
    return source if "://" in source or source == "-" else str(Path(source).resolve())


def shown_names(files: Sequence[File], sources: Sequence[str]) -> list[str]:
    """Without the query of an address, which may hold a signature."""
    if len(files) <= 20:
        return [file.name or STDIN_NAME for file in files]
    return [source.partition("?")[0] if "://" in source else source for source in sources]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
