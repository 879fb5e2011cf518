"""One thread that writes to one SQLite file, fed by a queue. Whoever waits shares the next commit.

SQLite releases the interpreter's lock around every statement and has to win it back after each, which takes
milliseconds when another thread computes. So jobs use few, large statements.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

import apsw

from hogline.store.sqlite.database import unwritable

JobT = TypeVar("JobT")

MOST_JOBS_A_COMMIT = 1_000

_Result = tuple["asyncio.Future[object]", object, "Exception | None"]


class Writer(Generic[JobT]):
    """Hands jobs to `perform`, as many as wait at once, each time inside of one transaction.

    `perform(jobs)` returns one result for each job. An error undoes the transaction and reaches everybody
    in it as `Unwritable`, or as it is if it is not SQLite's.
    """

    def __init__(self, database: apsw.Connection, perform: Callable[[list[JobT]], list[object]], *, name: str) -> None:
        self._database = database
        self._perform = perform
        self._jobs: SimpleQueue[tuple[asyncio.Future[object], JobT] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def write(self, job: JobT) -> object:
        """Returns what `perform` gave for the job, once it is on disk."""
        if self._closed:
            raise RuntimeError("The store is closed.")
        future: asyncio.Future[object] = self._loop.create_future()
        self._jobs.put((future, job))
        return await future

    async def close(self) -> None:
        """Returns when everything that was handed in is on disk. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            waiting, last = self._take()
            if waiting:
                self._tell(self._commit(waiting))
            if last:
                return

    def _take(self) -> tuple[list[tuple[asyncio.Future[object], JobT]], bool]:
        """All that waits, at least one; and whether it is the last."""
        item = self._jobs.get()
        waiting = []
        while item is not None:
            waiting.append(item)
            if len(waiting) == MOST_JOBS_A_COMMIT or self._jobs.empty():
                return waiting, False
            item = self._jobs.get()
        return waiting, True

    def _commit(self, waiting: list[tuple[asyncio.Future[object], JobT]]) -> list[_Result]:
        try:
            results = self._perform([job for _, job in waiting])
        except Exception as error:
            self._undo()
            told = unwritable(error) if isinstance(error, apsw.Error) else error
            return [(future, None, told) for future, _ in waiting]
        return [(future, result, None) for (future, _), result in zip(waiting, results, strict=True)]

    def _undo(self) -> None:
        # Some errors (a full disk) have undone the transaction already.
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def _tell(self, results: list[_Result]) -> None:
        self._loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[_Result]) -> None:
    for future, result, error in results:
        if future.done():  # whoever waited was cancelled; the write stands
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
