"""The forecast on Install: what events would lead to, for each choice of who is sent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from starlette.datastructures import UploadFile

from hogline.backfill.background import started
from hogline.backfill.files import CannotRead, File
from hogline.backfill.order import add_all, in_order
from hogline.backfill.reading import Reading
from hogline.backfill.sorter import Sorter
from hogline.backfill.views import ChoiceForecast
from hogline.service import CannotDo, Service

MOST_EVENTS = 50_000
"""Of a file. The process that delivers does the work; `hogline preview` has no such limit."""
AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Forecast:
    events: int
    choices: list[ChoiceForecast]
    title: str
    """Which events these are."""
    more: str = ""
    """What was left out, in a sentence."""


async def of_received(service: Service, destination: str, options: dict[str, object]) -> Forecast:
    """Raises `CannotDo`."""
    found = await service.forecasts.of_received(destination, options)
    title = f"Forecast from the last {_events(found.events)}"
    return Forecast(events=found.events, choices=found.choices, title=title)


async def of_file(
    service: Service, destination: str, options: dict[str, object], *, file: UploadFile, folder: Path, now_ms: int
) -> Forecast:
    """`folder`: where its rows are put while they are sorted by time. Raises `CannotDo`."""
    name = file.filename or "The file"
    reading = Reading([File(name, lambda: file.file, lambda _: None)], now_ms)
    handle = await service.forecasts.begin_new(destination, options)
    try:
        with Sorter(folder) as sorter:
            await started(lambda: add_all(islice(reading, MOST_EVENTS), sorter))
            rows = in_order(sorter, [name])
            while some := list(islice(rows, AT_ONCE)):
                await service.forecasts.rows(handle, some)
        found = await service.forecasts.show(handle)
    except CannotRead as problem:
        raise CannotDo(str(problem)) from None
    finally:
        await service.forecasts.end(handle)
    if not found.events:
        first = f" {reading.first_bad[0].sentence}" if reading.first_bad else ""
        raise CannotDo(f"{name} has no events that Hogline can read.{first}")
    return Forecast(
        events=found.events,
        choices=found.choices,
        title=f"Forecast from {_events(found.events)} in {name}",
        more=" ".join(_left_out(found.events, reading.bad)),
    )


def _events(n: int) -> str:
    return f"{n:,} event{'s' * (n != 1)}"


def _left_out(events: int, bad: int) -> list[str]:
    said = []
    if events >= MOST_EVENTS:
        said.append("Only these are counted. For a whole file, run hogline preview FILE --forecast.")
    if bad:
        said.append(f"{bad:,} row{'s' * (bad != 1)} could not be read.")
    return said
