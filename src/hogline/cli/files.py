"""hogline send, hogline preview: files of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import Common, Failed, Json, err, out, print_json, run
from hogline.cli.previews import print_forecast, print_preview
from hogline.process import service_for
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
        help="Events in any of PostHog's shapes: JSON lines, a JSON array, an answer of PostHog's API, or CSV; also "
        "compressed with gzip, brotli or zstd. - reads standard input.",
    ),
]


def send(file: File, /, *, json: Json = False, common: Common = _DEFAULT) -> None:
    """Deliver a file of events to every enabled connection, and wait until all of it is settled.

    Ends with exit code 1 if something became a dead letter, or a line holds no event or one without a time; the other
    lines are delivered.
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
    """What could not be read of a file: how much, and the first of it."""

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
    """The numbered lines of the file, some hundred at a time; those that could not be read are added to `bad`."""
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
    """Wait, saying now and then what for. Returns early when a connection cannot go on by itself."""
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
    filtered, dead = sum(delivery.filtered.values()), sum(delivery.dead_letters.values())
    out.print(
        f"[bold]{delivery.connection}[/]: {delivery.events:,} received, {delivery.delivered:,} delivered, "
        f"{filtered:,} filtered, {dead:,} dead letter{'s' * (dead != 1)}"
        + (f", {delivery.pending:,} still waiting" if delivery.pending else "")
    )
    for title, counts in (
        ("filtered", delivery.filtered),
        ("dead letters", delivery.dead_letters),
        ("adjusted", delivery.adjusted),
    ):
        for reason, n in sorted(counts.items(), key=lambda item: -item[1]):
            out.print(f"  {title}: {reason} {n:,}", markup=False)
    if delivery.pending:
        out.print(f"  {delivery.state}: {delivery.reason or 'see `hogline status`'}", style="red", markup=False)


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
        str, Parameter(help="For this connection only (default: all; of a forecast, the Customer.io connection).")
    ] = "",
    forecast: Annotated[
        bool,
        Parameter(
            negative="",
            help="Instead of each event: what the whole file comes to under each choice of --anonymous-users. "
            "Customers (they are the bill), events, requests; beginning with nobody known.",
        ),
    ] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """The operations that would be sent, event by event, or why not. Sends nothing, changes nothing.

    Each event is shown as if those before it had been accepted. Without any connection it shows what Customer.io
    would get under the defaults.
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
