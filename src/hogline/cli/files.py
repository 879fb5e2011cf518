"""hogline send, hogline preview: files of events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from hogline.backfill.reading import Reading
from hogline.backfill.views import BadRow, Delivery
from hogline.cli.common import Common, Failed, Json, err, out, print_json, run
from hogline.cli.previews import print_forecast, print_preview
from hogline.cli.rows import read, rows_of
from hogline.reasons import state_word
from hogline.runtime.wiring import service_for

_DEFAULT = Common()
MOST_BAD_ROWS_SHOWN = 20


def _no_option(_: object, name: str) -> None:
    """Raises ValueError: someone mistyped an option."""
    if name.startswith("-") and name != "-":
        raise ValueError(f"Unknown option: {name}. For a file with this name, write ./{name}.")


Files = Annotated[
    str,
    Parameter(
        name="FILES",
        allow_leading_hyphen=True,  # - is standard input
        validator=_no_option,
        help="Events in any PostHog format: JSON lines, a JSON array, a response of PostHog's API or CSV (optionally "
        "compressed with gzip, brotli or zstd), or Parquet. Give files, folders, patterns like 'exports/*.jsonl.gz' or "
        "addresses (s3://, gs://, az://, https://). posthog://eu.posthog.com/12345 exports from PostHog itself. - "
        "reads standard input.",
    ),
]


AsItComes = Annotated[
    bool,
    Parameter(
        name="--as-it-comes",
        negative="",
        help="Do not sort; take each event as soon as it is read. Use it for a stream that never ends, such as a pipe "
        "from Kafka. Do not use it for PostHog's exports: their rows are in random order.",
    ),
]


Since = Annotated[
    datetime | None,
    Parameter(help="With posthog://: export what PostHog received from this time on, such as 2026-01-01 (UTC)."),
]
Until = Annotated[datetime | None, Parameter(help="With posthog://: up to this time (default: now).")]


def print_delivery(delivery: Delivery) -> None:
    filtered, failed = sum(delivery.filtered.values()), sum(delivery.failures.values())
    out.print(
        f"[bold]{delivery.connection}[/]: {delivery.events:,} received, {delivery.delivered:,} delivered, "
        f"{filtered:,} filtered, {failed:,} failure{'s' * (failed != 1)}"
        + (f", {delivery.pending:,} still pending" if delivery.pending else "")
    )
    for title, counts in (
        ("filtered", delivery.filtered),
        ("failures", delivery.failures),
        ("adjusted", delivery.adjusted),
    ):
        for reason, n in sorted(counts.items(), key=lambda item: -item[1]):
            out.print(f"  {title}: {reason} {n:,}", markup=False)
    if delivery.pending:
        out.print(
            f"  {state_word(delivery.state)}: {delivery.reason or 'see `hogline status`'}", style="red", markup=False
        )


def _print_bad(reading: Reading) -> None:
    print_bad_rows(reading.first_bad, reading.bad, several=len(reading.files) > 1)


def print_bad_rows(rows: Sequence[BadRow], all_: int, *, several: bool) -> None:
    for row in rows[:MOST_BAD_ROWS_SHOWN]:
        err.print(f"{_place(row, several=several)}: {row.sentence}", style="red", markup=False)
    if all_ > MOST_BAD_ROWS_SHOWN:
        err.print(f"… and {all_ - MOST_BAD_ROWS_SHOWN:,} more", style="red")


def _place(row: BadRow, *, several: bool) -> str:
    return (f"{row.file or 'standard input'}, " if several else "") + f"{row.unit} {row.number}"


def preview(
    *files: Files,
    connection: Annotated[
        str, Parameter(help="Only this connection (default: all; in a forecast, the Customer.io connection).")
    ] = "",
    forecast: Annotated[
        bool,
        Parameter(
            negative="",
            help="Instead of each event, show the totals of the files under each choice of --anonymous-users: "
            "customers (which you pay for), events and requests. Starts with no known people.",
        ),
    ] = False,
    since: Since = None,
    until: Until = None,
    as_it_comes: AsItComes = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show what would be sent for each event, or why nothing would be. Sends and changes nothing.

    Events come in the order in which `hogline send` delivers them. Each is shown as if all events before it had been
    accepted. If you have no connection yet, you see what Customer.io would get with default options.
    """
    reading = read(files, as_it_comes=as_it_comes, since=since, until=until)
    work = _forecast if forecast else _preview
    run(work(reading, connection, as_it_comes=as_it_comes, json=json, common=common))
    _print_bad(reading)
    if reading.bad:
        raise Failed


async def _preview(reading: Reading, connection: str, *, as_it_comes: bool, json: bool, common: Common) -> None:
    settings, several = common.settings(), len(reading.files) > 1
    async with service_for(settings) as service:
        handle = await service.previews.begin(connection)
        try:
            async for rows in rows_of(
                reading,
                settings.data,
                as_it_comes=as_it_comes,
                quiet=json,
                meanwhile=lambda: service.previews.rows(handle, []),
            ):
                for event in await service.previews.rows(handle, rows):
                    print_preview(event, json=json, several_files=several)
        finally:
            await service.previews.end(handle)


async def _forecast(reading: Reading, connection: str, *, as_it_comes: bool, json: bool, common: Common) -> None:
    settings = common.settings()
    async with service_for(settings) as service:
        handle = await service.forecasts.begin(connection)
        try:
            async for rows in rows_of(
                reading,
                settings.data,
                as_it_comes=as_it_comes,
                quiet=json,
                meanwhile=lambda: service.forecasts.rows(handle, []),
            ):
                await service.forecasts.rows(handle, rows)
            found = await service.forecasts.show(handle)
        finally:
            await service.forecasts.end(handle)
    if json:
        print_json({"forecast": found, "bad_lines": reading.first_bad})
    else:
        print_forecast(found)
