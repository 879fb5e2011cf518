"""hogline send, hogline preview: files of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import Common, Failed, Json, err, out, print_json, run
from hogline.cli.previews import print_forecast, print_preview
from hogline.process import service_for
from hogline.reasons import state_word
from hogline.service import Mistake, Service
from hogline.sources.files import Line, Unit, read_file
from hogline.sources.unpacking import UnknownFile
from hogline.views import BadLine, Delivery

_DEFAULT = Common()
LINES_AT_ONCE = 500
BYTES_AT_ONCE = 4_000_000
MOST_BAD_LINES_SHOWN = 20
MOST_BAD_LINES_KEPT = 10_000

File = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="Events in any PostHog format: JSON lines, a JSON array, a response of PostHog's API, or CSV; optionally "
        "compressed with gzip, brotli or zstd. - reads standard input.",
    ),
]


def send(file: File, /, *, json: Json = False, common: Common = _DEFAULT) -> None:
    """Send a file of events to every active connection, and wait until it is done.

    Exits with 1 if there are failures, or if a line has no event or no time. The other lines are still delivered.
    """

    async def work() -> tuple[list[Delivery], BadLines]:
        async with service_for(common.settings(), delivers=True) as service:
            handle = await service.begin_sending()
            try:
                bad = await _send_all(service, handle, file)
                return await _settled(service, handle, quiet=json), bad
            finally:
                await service.end_sending(handle)

    deliveries, bad = run(work())
    if json:
        print_json({"connections": deliveries, "bad_lines": bad.first})
    else:
        for delivery in deliveries:
            _print_delivery(delivery)
    _print_bad(bad)
    if bad or any(delivery.dead_letters or delivery.pending for delivery in deliveries):
        raise Failed


class BadLines:
    """The unreadable lines of a file: how many, and the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[BadLine] = []
        self.unit: Unit = "line"
        """What their numbers count."""

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, lines: Sequence[BadLine]) -> None:
        self.count += len(lines)
        self.first += lines[: MOST_BAD_LINES_KEPT - len(self.first)]


async def _send_all(service: Service, handle: str, file: str) -> BadLines:
    bad = BadLines()
    for lines in _chunks(file, bad):
        bad.add(await service.send_lines(handle, lines))
    return bad


def _chunks(file: str, bad: BadLines) -> Iterator[list[tuple[int, bytes]]]:
    """The numbered lines of the file, a few hundred at a time; unreadable ones are added to `bad`."""
    readable: list[tuple[int, bytes]] = []
    size_bytes = 0
    for line in _lines(file):
        bad.unit = line.unit
        if line.problem is not None:
            bad.add([BadLine(line.number, line.problem.sentence)])
            continue
        readable.append((line.number, line.body))
        size_bytes += len(line.body)
        if len(readable) >= LINES_AT_ONCE or size_bytes >= BYTES_AT_ONCE:
            yield readable
            readable, size_bytes = [], 0
    if readable:
        yield readable


def _lines(file: str) -> Iterator[Line]:
    try:
        yield from read_file(file)
    except OSError as error:
        raise Mistake(f"{file} cannot be read: {error.strerror}.") from None
    except UnknownFile as unknown:
        raise Mistake(f"{file}: {unknown}") from None


async def _settled(service: Service, handle: str, *, quiet: bool) -> list[Delivery]:
    """Wait and report progress. Returns early when a connection cannot continue without you."""
    said = ""
    while True:
        deliveries = await service.sending(handle, 2.0)
        open_ = [delivery for delivery in deliveries if delivery.pending]
        if all(delivery.state not in {"delivering", "waiting"} for delivery in open_):
            return deliveries
        says = "; ".join(
            f"{delivery.connection}: {delivery.pending:,} pending"
            + (f" ({delivery.reason})" if delivery.reason else "")
            for delivery in open_
        )
        if says != said and not quiet:
            err.print(says, style="dim", markup=False)
            said = says


def _print_delivery(delivery: Delivery) -> None:
    filtered, failed = sum(delivery.filtered.values()), sum(delivery.dead_letters.values())
    out.print(
        f"[bold]{delivery.connection}[/]: {delivery.events:,} received, {delivery.delivered:,} delivered, "
        f"{filtered:,} filtered, {failed:,} failure{'s' * (failed != 1)}"
        + (f", {delivery.pending:,} still pending" if delivery.pending else "")
    )
    for title, counts in (
        ("filtered", delivery.filtered),
        ("failures", delivery.dead_letters),
        ("adjusted", delivery.adjusted),
    ):
        for reason, n in sorted(counts.items(), key=lambda item: -item[1]):
            out.print(f"  {title}: {reason} {n:,}", markup=False)
    if delivery.pending:
        out.print(
            f"  {state_word(delivery.state)}: {delivery.reason or 'see `hogline status`'}", style="red", markup=False
        )


def _print_bad(bad: BadLines) -> None:
    for line in bad.first[:MOST_BAD_LINES_SHOWN]:
        err.print(f"{bad.unit} {line.number}: {line.sentence}", style="red", markup=False)
    if bad.count > MOST_BAD_LINES_SHOWN:
        err.print(f"… and {bad.count - MOST_BAD_LINES_SHOWN:,} more", style="red")


def preview(
    file: File,
    /,
    *,
    connection: Annotated[
        str, Parameter(help="Only this connection (default: all; in a forecast, the Customer.io connection).")
    ] = "",
    forecast: Annotated[
        bool,
        Parameter(
            negative="",
            help="Instead of each event, show the totals of the file under each choice of --anonymous-users: "
            "customers (which you pay for), events and requests. Starts with no known people.",
        ),
    ] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show what would be sent for each event, or why nothing would be. Sends and changes nothing.

    Each event is shown as if all events before it had been accepted. If you have no connection yet, you see what
    Customer.io would get with default options.
    """
    if forecast:
        bad = run(_forecast(file, connection, json=json, common=common))
    else:
        bad = run(_preview(file, connection, json=json, common=common))
    _print_bad(bad)
    if bad:
        raise Failed


async def _preview(file: str, connection: str, *, json: bool, common: Common) -> BadLines:
    bad = BadLines()
    async with service_for(common.settings()) as service:
        handle = await service.begin_preview(connection, from_file=True)
        try:
            for lines in _chunks(file, bad):
                events, unreadable = await service.preview_lines(handle, lines)
                bad.add(unreadable)
                for event in events:
                    print_preview(event, json=json)
        finally:
            await service.end_preview(handle)
    return bad


async def _forecast(file: str, connection: str, *, json: bool, common: Common) -> BadLines:
    bad = BadLines()
    async with service_for(common.settings()) as service:
        handle = await service.begin_forecast(connection)
        try:
            for lines in _chunks(file, bad):
                bad.add(await service.forecast_lines(handle, lines))
            found = await service.forecast(handle)
        finally:
            await service.end_forecast(handle)
    if json:
        print_json({"forecast": found, "bad_lines": bad.first})
    else:
        print_forecast(found)
    return bad
