"""Runs of older events that are started from the console: the running process reads the files, as a command would."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from hogline.backfill.background import started
from hogline.backfill.files import CannotRead, File, files_of
from hogline.backfill.posthog import SCHEME, PostHogExports
from hogline.backfill.prepare import Preparation, key_of
from hogline.backfill.runs import DEFAULT_SHARE, FOLDER, Reread, Wanted, held_by_reader
from hogline.backfill.sorted_rows import Window
from hogline.backfill.views import RunView
from hogline.clock import Clock
from hogline.service.backfills import Backfills
from hogline.service.core import CannotDo
from hogline.settings import Settings
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.service")

LOOK_EVERY_S = 1.0


class History:
    def __init__(self, settings: Settings, clock: Clock, backfills: Backfills) -> None:
        self._data = settings.data
        self._clock = clock
        self._backfills = backfills
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self,
        connection: str,
        source: str,
        *,
        share: int = DEFAULT_SHARE,
        older_than_hours: int = 0,
        key: str = "",
        since_ms: int = 0,
    ) -> RunView:
        """Begin to read a file, folder or pattern on this machine, a bucket, or PostHog itself, and deliver its events
        then. `older_than_hours`: leave out younger events; 0: none. `key`, `since_ms`: of `posthog://`.
        """
        if not source:
            raise CannotDo("Enter a path on this machine, or an address such as s3://bucket/prefix/.")
        if "://" not in source and not source.startswith("/"):
            raise CannotDo("The path must be absolute: it must begin with /.")
        now_ms = self._clock.time_ms()
        try:
            files = await started(lambda: self._files(source, key, since_ms, now_ms))
            asked = [source, str(since_ms), str(older_than_hours)]
            same = await started(lambda: key_of(files, asked))
        except CannotRead as problem:
            raise CannotDo(str(problem)) from None
        shown = source.partition("?")[0] if "://" in source else source
        before_ms = now_ms - older_than_hours * 3_600_000 if older_than_hours else None
        # A key or a signature is not kept, so such a run has to be started again.
        reread = None if source.startswith(SCHEME) or shown != source else Reread(source, asked, before_ms)
        wanted = Wanted(connection=connection, sources=[shown], key=same, share=share, reread=reread)
        view = await self._backfills.begin(wanted)
        if view.state == "reading":
            self._start(self._read(view.number, files, before_ms), view.number)
        return view

    def go_on(self) -> None:
        """Read again what was being read when Hogline stopped."""
        for run in self._backfills.unread():
            assert run.wanted.reread is not None  # `unread` says so
            self._start(self._read_again(run.number, run.wanted.reread), run.number)

    def _start(self, reading: Coroutine[None, None, None], number: int) -> None:
        task = asyncio.create_task(reading, name=f"reading {number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Read no more. `go_on` reads again what was not read to its end."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _files(self, source: str, key: str, since_ms: int, now_ms: int) -> Sequence[File]:
        """Raises `CannotRead`."""
        if not source.startswith(SCHEME):
            return files_of([source])
        if not 0 < since_ms < now_ms:
            raise CannotRead("Say from which day on to read from PostHog.")
        since, until = (datetime.fromtimestamp(ms / 1_000, UTC) for ms in (since_ms, now_ms))
        return PostHogExports(source, key).files(since, until)

    async def _read_again(self, number: int, reread: Reread) -> None:
        try:
            files = await started(lambda: files_of([reread.source]))
            await self._backfills.read_again(number, await started(lambda: key_of(files, reread.asked)))
        except CannotDo:  # it was cancelled
            return
        except CannotRead as problem:
            await self._backfills.fail(number, f"{problem} Nothing was sent.")
            return
        await self._read(number, files, reread.before_ms)

    async def _read(self, number: int, files: Sequence[File], before_ms: int | None) -> None:
        folder = self._data / FOLDER / f"{number:06}"
        preparation = Preparation(files, folder, self._clock.time_ms(), Window(before_ms))
        try:
            with held_by_reader(preparation.folder):
                preparing = started(preparation.prepare)
                while not (await asyncio.wait([preparing], timeout=LOOK_EVERY_S))[0]:
                    await self._backfills.note_read(number, preparation.read)
                prepared = await preparing
            await self._backfills.ready(number, prepared)
        except CannotDo:  # it was cancelled
            _drop(preparation.folder)
        except CannotRead as problem:
            await self._backfills.fail(number, f"{problem} Nothing was sent.")
        except OSError as error:
            await self._backfills.fail(number, f"The rows cannot be sorted ({error.strerror}). Make room on the disk.")
        except Exception as error:  # whatever it is, the page says so
            log.error("files could not be read", run=number, error=kind_and_place(error))  # noqa: TRY400  # as above
            await self._backfills.fail(number, f"Internal error ({kind_and_place(error)}). Nothing was sent.")
        finally:
            preparation.stop()


def _drop(folder: Path) -> None:
    for file in folder.glob("rows*"):
        file.unlink(missing_ok=True)
