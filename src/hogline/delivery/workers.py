"""The workers of a process: one for each connection that runs, and its state; and the folder, which they share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from hogline.clock import Clock
from hogline.delivery.carrier import Stopped
from hogline.delivery.folder import Folder
from hogline.delivery.gate import Gate, Rate
from hogline.delivery.installed import Installed
from hogline.delivery.retried import Retried
from hogline.delivery.tally import Notes, Tally
from hogline.delivery.worker import Worker
from hogline.destinations.base import InvalidOptions, Learning, Send
from hogline.store.base import Connection, Journal, State, Unwritable
from hogline.store.forgetting import Expired
from hogline.telemetry.delivery import RequestListener, nobody
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.delivery")


class Workers:
    """Starts and stops workers. `stopped` is called when a connection stops itself, with the reason."""

    def __init__(
        self,
        *,
        journal: Journal,
        state: State,
        send: Send,
        clock: Clock,
        stopped: Callable[[Connection, str], Awaitable[None]],
        merge_delay_s: float,
        retains: bool = False,
        listener: RequestListener = nobody,
        noting: Callable[[], None] | None = None,
    ) -> None:
        """`retains`: inactive people are removed. `noting`: as for a `Worker`."""
        self._noting = noting
        self._journal = journal
        self._state = state
        self._send = send
        self._clock = clock
        self._stopped = stopped
        self._merge_delay_s = merge_delay_s
        self._retains = retains
        self._listener = listener
        """Gets each delivery request."""
        self._tallies: dict[int, set[Notes]] = {}
        self._retried: dict[int, Retried] = {}
        self._running: dict[int, tuple[Worker[Any], asyncio.Task[None]]] = {}
        self._folder: Folder | None = None
        self._learning = Learning()

    # what is known

    @property
    def folder(self) -> Folder:
        """Runs from its first use on."""
        if self._folder is None:
            self._folder = Folder(
                self._journal, self._state, self._clock, learning=self._learning, retains=self._retains
            )
            self._folder.start()
        return self._folder

    async def learn(self, learning: Learning) -> None:
        """What has to be known about people from now on."""
        self._learning = learning
        if self._folder is not None:
            await self._folder.learn(learning)

    def fold(self) -> None:
        """From now on, read what events say about people, with or without connections."""
        _ = self.folder

    @property
    def folding_trouble(self) -> str | None:
        """Why nothing can be delivered; None: all is well."""
        return None if self._folder is None else self._folder.trouble

    async def catch_up(self) -> None:
        """Returns when everything in the journal is known, and on disk."""
        await self.folder.catch_up()

    async def flush(self) -> None:
        """Returns when everything known is on disk."""
        if self._folder is not None:
            await self._folder.flush()

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        """See `store.forgetting.Forgets.expire_people`."""
        expired = await self.folder.expire_people(before_day=before_day, today=today, after=after, most=most)
        for worker, _ in self._running.values():
            worker.lose(expired.ids)
        return expired

    async def stop_folding(self) -> None:
        """Returns when everything folded is on disk. The next use starts from there. No worker may run."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            await folder.close()

    # workers

    def start(self, one: Installed[Any]) -> None:
        """Run this connection. Nothing happens if it already runs."""
        connection = one.connection
        if connection.id in self._running:
            return
        rate = Rate(one.destination.requests_per_second(one.options), self._clock)
        worker: Worker[Any] = Worker(
            connection,
            one.destination,
            one.options,
            folder=self.folder,
            journal=self._journal,
            state=self._state,
            send=self._send,
            gate=Gate(rate, self._clock, random.random),
            clock=self._clock,
            merge_delay_s=self._merge_delay_s,
            # Anyone who waits keeps waiting when the connection is stopped and started again.
            tallies=self._tallies.setdefault(connection.id, set()),
            listener=self._listener,
            noting=self._noting,
        )
        task = asyncio.create_task(self._run(connection, worker), name=f"worker {connection.name}")
        self._running[connection.id] = (worker, task)

    async def _run(self, connection: Connection, worker: Worker[Any]) -> None:
        log.info("connection started", connection=connection.name)
        try:
            await worker.run()
        except (Stopped, InvalidOptions) as stop:
            await self._report(connection, str(stop))
        except Exception as error:
            # The error's text may quote an event. Its kind and place are enough to find it.
            place = kind_and_place(error)
            log.error("connection failed", connection=connection.name, error=place)  # noqa: TRY400
            await self._report(connection, f"Internal error ({place}). Please report this bug.")
        else:
            log.info("connection ended", connection=connection.name)

    async def _report(self, connection: Connection, reason: str) -> None:
        self._running.pop(connection.id, None)
        log.warning("connection stopped", connection=connection.name, reason=reason)
        while True:
            try:
                await self._stopped(connection, reason)
            except Unwritable as trouble:  # a full disk must not lose the reason
                await self._clock.sleep(trouble.retry_after_s)
            else:
                return

    async def stop(self, connection: int, within_s: float = 20.0) -> None:
        """Returns when nothing of this connection is in flight. Harmless if it is not running."""
        if running := self._running.pop(connection, None):
            worker, task = running
            await worker.close(within_s)
            await task

    async def close(self, within_s: float = 20.0) -> None:
        await asyncio.gather(*(self.stop(connection, within_s) for connection in list(self._running)))
        await self.stop_folding()

    def runs(self, connection: int) -> bool:
        return connection in self._running

    def trouble(self, connection: int) -> str | None:
        running = self._running.get(connection)
        return (running[0].trouble or self.folding_trouble) if running else None

    def since_ms(self, connection: int) -> int:
        """Since when it has this trouble, or none; 0: it does not run."""
        running = self._running.get(connection)
        return running[0].since_ms if running else 0

    def tried(self, connection: int, position: int) -> list[tuple[int, str]]:
        """Failed tries to send an event that is under way: when (milliseconds since 1970), and what came back."""
        running = self._running.get(connection)
        return running[0].retries(position) if running else []

    def next_try_ms(self, connection: int) -> int | None:
        """When the destination is tried again; None: it is not in trouble."""
        running = self._running.get(connection)
        return running[0].next_try_ms if running else None

    def ask_again(self, connection: int) -> None:
        """Failures are to be retried, or a replay has started. A connection that is not running finds out when it
        starts."""
        if running := self._running.get(connection):
            running[0].ask_again()

    def unsaved_requests(self, connection: int) -> int:
        running = self._running.get(connection)
        return running[0].unsaved_requests if running else 0

    def tally(self) -> dict[int, Tally]:
        """A tally for each running connection, counting from now on."""
        tallies = {}
        for connection in self._running:
            tallies[connection] = Tally()
            self._tallies[connection].add(tallies[connection])
        return tallies

    def listen(self, connection: int, notes: Notes) -> None:
        """Notify `notes` of everything this connection settles, even after it was stopped and started again."""
        self._tallies.setdefault(connection, set()).add(notes)

    def listen_no_more(self, connection: int, notes: Notes) -> None:
        self._tallies[connection].discard(notes)

    def settled(self, connection: int) -> tuple[int, int] | None:
        """Up to which position everything is settled, and the number of requests; None: it is not running."""
        running = self._running.get(connection)
        return (running[0].settled, running[0].requests) if running else None

    def retries(self, connection: int) -> Retried:
        """Watches, from now on, failures that are being retried, along with those that are under way. Call its `claim`,
        whatever happens."""
        retried = self._retried.get(connection)
        if retried is None or retried.is_over:
            if retried is not None:
                self.listen_no_more(connection, retried)
            retried = self._retried[connection] = Retried(self._clock.time_ms())
            self.listen(connection, retried)
        retried.expect()
        return retried

    def retried(self, connection: int) -> Retried | None:
        """What happened to those that were retried last; None: none were since the start."""
        return self._retried.get(connection)

    def forget(self, tallies: dict[int, Tally]) -> None:
        for connection, tally in tallies.items():
            self._tallies[connection].discard(tally)


class Retention:
    """Removes inactive people, so that everything that runs learns of it."""

    def __init__(self, workers: Workers, changing: asyncio.Lock) -> None:
        """`changing`: held while workers and the folder are started or stopped."""
        self._workers = workers
        self._changing = changing

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        """See `store.forgetting.Forgets.expire_people`."""
        async with self._changing:
            return await self._workers.expire_people(before_day=before_day, today=today, after=after, most=most)
