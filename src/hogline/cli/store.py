"""hogline store (create, copy): the store in PostgreSQL, from and to a data directory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from hogline.cli.common import Common, err, run
from hogline.service import CannotDo
from hogline.settings import JournalTopic
from hogline.sources.kafka.log import Trouble
from hogline.sources.kafka.writer import KafkaWriter
from hogline.store import copying
from hogline.store.copying import Told

_DEFAULT = Common()
_EVERY_S = 2.0

store = App(name="store", help="The store in PostgreSQL: create it, or copy a data directory into it and back.")


@store.command
def create(*, common: Common = _DEFAULT) -> None:
    """Create the tables in the database of HOGLINE_STORE, or upgrade them, and the topic of HOGLINE_JOURNAL.
    `hogline serve` does it, too."""
    url, _ = _store(common)
    copying.create(url)
    _tell("The tables are there.")
    if (topic := common.settings().topic) is not None:
        run(_create(topic))
        _tell("The topic is there.")


async def _create(topic: JournalTopic) -> None:
    try:
        writer = KafkaWriter(topic.brokers, topic.topic, topic.settings)
        try:
            await asyncio.to_thread(writer.create)
        finally:
            await writer.close()
    except Trouble as trouble:
        raise CannotDo(str(trouble)) from None


@store.command
def copy(
    *,
    from_: Annotated[Path | None, Parameter(name="--from", help="A data directory, to copy into PostgreSQL.")] = None,
    to: Annotated[Path | None, Parameter(help="A new data directory, to copy from PostgreSQL.")] = None,
    common: Common = _DEFAULT,
) -> None:
    """Copy everything from a data directory into the store at HOGLINE_STORE, or back. Stop Hogline first.

    What it copies into must be empty. If it is interrupted, run the same command again: it
    continues. In the end it compares every row. Then `hogline serve` continues with the copy where
    it was stopped. Never start the original again: it would send the same events a second time.
    """
    if (from_ is None) == (to is None):
        raise CannotDo("Use either --from or --to.")
    url, key = _store(common)
    if from_ is not None:
        done = copying.from_directory(from_, url, key, _teller())
    else:
        assert to is not None  # one of them is there
        done = copying.to_directory(url, key, to, _teller())
    again = " (the first part of it earlier)" if done.went_on else ""
    _tell(f"Copied {done.rows:,} rows{again}, and compared all of them: they are equal.")
    if from_ is not None:
        if any((from_ / "backfills").glob("*")):
            _tell(
                f"Files of backfills are not in PostgreSQL. To continue unfinished ones, keep {from_} as the data "
                "directory."
            )
        _tell("Start `hogline serve` with HOGLINE_STORE. Never start it on the old data directory again.")
    else:
        _tell(
            f"Start `hogline serve --data {to}` without HOGLINE_STORE. Keep HOGLINE_SECRET_KEY set. Never start it "
            "with the store in PostgreSQL again."
        )


def _store(common: Common) -> tuple[str, str]:
    """The URL of the store, and the key for secrets."""
    settings = common.settings()
    if settings.store is None or settings.secret_key is None:
        raise CannotDo("Set HOGLINE_STORE to the URL of the store in PostgreSQL.")
    return settings.store.get_secret_value(), settings.secret_key.get_secret_value()


def _teller() -> Callable[[Told], None]:
    """Says what is being done, at most every few seconds."""
    said_s = time.monotonic()

    def tell(told: Told) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _EVERY_S:
            said_s = time.monotonic()
            what = "Copying" if told.step == "copying" else "Comparing"
            _tell(f"{what} {told.table}: {told.rows:,} of {told.of:,} rows")

    return tell


def _tell(sentence: str) -> None:
    err.print(sentence, markup=False, highlight=False)
