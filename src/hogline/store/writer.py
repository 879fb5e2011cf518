"""A thread that writes to one database, fed by a queue. Everyone who is waiting shares the next commit.

Databases release Python's interpreter lock around every statement and have to win it back afterwards, which takes
milliseconds if another thread is computing. So jobs use few, large statements.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from hogline.store.base import Unwritable

JobT = TypeVar("JobT")

MOST_JOBS_A_COMMIT = 1_000
HOLD_S = 5.0
"""Trouble is shown for at least this long after the last failed write, since senders are told to wait this long."""

_Result = tuple["asyncio.Future[object]", object, "Exception | None"]


class Writer(Generic[JobT]):
    """Hands jobs to `perform`, as many as are waiting.

    `perform(jobs)` does all of them in one transaction, or none, and returns one result for each. If the database is
    the cause of an error, everyone gets `Unwritable`. If a job is, all are done again one by one, and only that one
    gets the error. `trouble_of(error)` decides: a sentence if the database is the cause, None if the job is.
    `written(result)` is called in the event loop for every job that is on disk, even if nobody waits for it anymore.

    `trouble` says why nothing can be written; None: all is well. `probe()` writes something that changes nothing. It
    is only called while there is trouble; without it, trouble would last until someone has something to write.
    """

    def __init__(
        self,
        perform: Callable[[list[JobT]], list[object]],
        *,
        name: str,
        probe: Callable[[], None],
        trouble_of: Callable[[Exception], str | None],
        written: Callable[[object], None] = lambda _: None,
        hold_s: float = HOLD_S,
    ) -> None:
        self._perform = perform
        self._probe = probe
        self._trouble_of = trouble_of
        self._written = written
        self._hold_s = hold_s
        self._held_until_s = 0.0
        self.trouble: str | None = None
        self._jobs: SimpleQueue[tuple[asyncio.Future[object], JobT] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def write(self, job: JobT) -> object:
        """Returns what `perform` returned for the job, once it is on disk."""
        if self._closed:
            raise RuntimeError("The store is closed.")
        future: asyncio.Future[object] = self._loop.create_future()
        self._jobs.put((future, job))
        return await future

    async def close(self) -> None:
        """Returns when everything handed in is on disk. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            try:
                waiting, last = self._take()
            except Empty:
                self._look_whether_it_is_over()
                continue
            if waiting:
                self._tell(self._commit(waiting))
            if last:
                return

    def _look_whether_it_is_over(self) -> None:
        """Not before trouble was shown long enough, because a small write may succeed between large ones that fail. And
        not without a probe, because a job may have had nothing to write.
        """
        if self.trouble is None or time.monotonic() < self._held_until_s:
            return
        try:
            self._probe()
        except Exception as error:
            self._failed(self._trouble_of(error) or f"Database error ({type(error).__name__}).")
        else:
            self.trouble = None

    def _failed(self, sentence: str) -> None:
        self.trouble, self._held_until_s = sentence, time.monotonic() + self._hold_s

    def _take(self) -> tuple[list[tuple[asyncio.Future[object], JobT]], bool]:
        """Everything that is waiting, at least one job; and whether it is the last. Raises `Empty` when it is time to
        probe the disk."""
        until_s = None if self.trouble is None else max(0.0, self._held_until_s - time.monotonic())
        item = self._jobs.get(timeout=until_s)
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
        except Exception as error:  # whatever it is, someone waits for the result
            if (sentence := self._trouble_of(error)) is not None:
                self._failed(sentence)
                return [(future, None, Unwritable(sentence)) for future, _ in waiting]
            if len(waiting) == 1:
                return [(waiting[0][0], None, error)]
            return [result for one in waiting for result in self._commit([one])]
        self._look_whether_it_is_over()
        return [(future, result, None) for (future, _), result in zip(waiting, results, strict=True)]

    def _tell(self, results: list[_Result]) -> None:
        self._loop.call_soon_threadsafe(self._resolve, results)

    def _resolve(self, results: list[_Result]) -> None:
        for future, result, error in results:
            if error is None:
                self._written(result)
            if future.done():  # the waiting caller was cancelled; the write stands
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
