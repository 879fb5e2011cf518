"""hogline send: events to every active connection. Files are a run; a stream is live events that somebody waits for."""

from __future__ import annotations

from hogline.backfill.reading import Reading
from hogline.backfill.runs import Wanted
from hogline.backfill.sorted_rows import Window
from hogline.backfill.views import Delivery
from hogline.cli.backfill import absolute, backfilled, report, run_key, shown_names
from hogline.cli.common import Common, Failed, Json, err, print_json, run
from hogline.cli.files import AsItComes, Files, Since, Until, print_bad_rows, print_delivery
from hogline.cli.rows import named, read, rows_of
from hogline.reasons import SENDING_STATES
from hogline.runtime.wiring import service_for
from hogline.service import Service

_DEFAULT = Common()
WHOLE_SHARE = 100


def send(
    *files: Files,
    since: Since = None,
    until: Until = None,
    as_it_comes: AsItComes = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Send files of events to every active connection, and wait until it is done.

    All files are read first and their events are sorted by time, then uuid. Lines that cannot be read are listed; the
    other events are still delivered. If it is interrupted, the same command continues where it was. Exits with 1 if
    there are failures, or if a line has no event or no time.
    """
    if as_it_comes:
        _send_stream(read(files, as_it_comes=True, since=since, until=until), json=json, common=common)
        return
    found = named(files, since, until)
    asked = ["send", *map(absolute, files), str(since), str(until)]
    wanted = Wanted(sources=shown_names(found, files), key=run_key(found, asked), share=WHOLE_SHARE)
    report(run(backfilled(wanted, found, Window(), again=True, json=json, common=common)), json=json)


def _send_stream(reading: Reading, *, json: bool, common: Common) -> None:
    """Each event as soon as it is read."""

    async def work() -> list[Delivery]:
        settings = common.settings()
        async with service_for(settings, delivers=True) as service:
            handle = await service.sendings.begin()
            try:
                refused = dict[str, int]()
                async for rows in rows_of(
                    reading,
                    settings.data,
                    as_it_comes=True,
                    quiet=json,
                    meanwhile=lambda: service.sendings.show(handle, 0),
                ):
                    await service.sendings.send(handle, rows, _newly(reading, refused))
                await service.sendings.send(handle, [], _newly(reading, refused))
                return await _settled(service, handle, quiet=json)
            finally:
                await service.sendings.end(handle)

    deliveries = run(work())
    if json:
        print_json({"connections": deliveries, "bad_lines": reading.first_bad})
    else:
        for delivery in deliveries:
            print_delivery(delivery)
    print_bad_rows(reading.first_bad, reading.bad, several=len(reading.files) > 1)
    if reading.bad or any(delivery.failures or delivery.pending for delivery in deliveries):
        raise Failed


def _newly(reading: Reading, told: dict[str, int]) -> dict[str, int]:
    """What was refused and is not told yet, by reason; then it is."""
    new = {reason: n - told.get(reason, 0) for reason, n in list(reading.refused.items()) if n > told.get(reason, 0)}
    for reason, n in new.items():
        told[reason] = told.get(reason, 0) + n
    return new


async def _settled(service: Service, handle: str, *, quiet: bool) -> list[Delivery]:
    """Wait and report progress. Returns early when a connection cannot continue without you."""
    said = ""
    while True:
        deliveries = await service.sendings.show(handle, 2.0)
        open_ = [delivery for delivery in deliveries if delivery.pending]
        if all(delivery.state not in SENDING_STATES for delivery in open_):
            return deliveries
        says = "; ".join(
            f"{delivery.connection}: {delivery.pending:,} pending"
            + (f" ({delivery.reason})" if delivery.reason else "")
            for delivery in open_
        )
        if says != said and not quiet:
            err.print(says, style="dim", markup=False)
            said = says
