"""What is written beside delivery: the audit log, trends, the event log. Any process may write it, owner or not.

There is no fence. If a commit is not answered, PostgreSQL is asked afterward whether it was done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg
import structlog

from hogline.store.postgresql.link import Link, Row, Values, close, connect, end_earlier, is_spent, value
from hogline.store.postgresql.reading import Reading
from hogline.store.postgresql.trouble import trouble_of
from hogline.store.writer import Writer

T = TypeVar("T")
_Job = Callable[[Link], object]

log = structlog.get_logger("hogline.store")

READ_WITHIN_S = 60.0
DOUBT_WITHIN_S = 10.0
"""How long it tries to find out whether a commit was done."""
AGAIN_S = 0.2


class Aside:
    """One connection for writing and one for reading, shared by all that is kept beside delivery."""

    def __init__(self, url: str, name: str) -> None:
        """`name`: of its connections, which nobody else has. Create it in the running event loop. It connects when it
        is needed."""
        self._url = url
        self._name = name
        self._link: Link | None = None
        self._reading = Reading(url, name, within_s=READ_WITHIN_S, reopens_itself=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="logs-read")
        self._writer: Writer[_Job] = Writer(self._perform, name="logs-writer", probe=self._touch, trouble_of=trouble_of)

    @property
    def url(self) -> str:
        return self._url

    async def write(self, job: Callable[[Link], T]) -> T:
        """A job in a transaction, done once or not at all. Raises `Unwritable`."""
        return await self._writer.write(job)  # type: ignore[return-value]  # what `_perform` gave for this job

    async def rows(self, query: bytes, values: Values | None = None) -> list[Row]:
        """Raises `Unwritable`."""
        return await self.look(lambda reading: reading.rows(query, values))

    async def look(self, look: Callable[[Reading], T]) -> T:
        """Read in another thread. Raises `Unwritable`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, look, self._reading)

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._thread.shutdown)
        self._reading.close()
        close(self._link)

    def _touch(self) -> None:
        self._perform([])

    def _perform(self, jobs: list[_Job]) -> list[object]:
        began, results = None, list[object]()
        while began is None:
            fresh = self._link is None
            link = self._connected()
            try:
                with link.transaction():
                    began = value(link, b"SELECT pg_current_xact_id()::text")
                    with link.pipeline():
                        results = [job(link) for job in jobs]
            except psycopg.Error as error:
                was_closed = link.closed
                if is_spent(link, error):
                    self._drop()
                # One that broke while nobody used it is replaced.
                if not was_closed or (began is None and fresh):
                    raise
                if began is not None and not self._was_committed(began):
                    raise
        return results

    def _connected(self) -> Link:
        if self._link is None:
            name = f"{self._name} writer"
            link = connect(self._url, name)
            end_earlier(link, name)
            self._link = link
        return self._link

    def _drop(self) -> None:
        close(self._link)
        self._link = None

    def _was_committed(self, transaction: str) -> bool:
        """Raises `psycopg.Error` if PostgreSQL stays away."""
        log.warning("PostgreSQL did not answer a commit; Hogline will find out whether it was done", writer="logs")
        until_s = time.monotonic() + DOUBT_WITHIN_S
        while True:
            try:
                status = value(self._connected(), b"SELECT pg_xact_status(%(id)s::text::xid8)", {"id": transaction})
            except psycopg.errors.InvalidParameterValue:  # after a crash, PostgreSQL had not even begun it
                return False
            except psycopg.Error:
                self._drop()
                if time.monotonic() >= until_s:
                    raise
            else:
                if status != "in progress" or time.monotonic() >= until_s:
                    return bool(status == "committed")
            time.sleep(AGAIN_S)
