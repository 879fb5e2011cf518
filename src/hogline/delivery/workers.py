"""The workers of a process: one for each connection that runs, and its state; and the folder, which they share."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog

from hogline.clock import Clock
from hogline.delivery.carrier import Stopped
from hogline.delivery.crew import Alone
from hogline.delivery.folder import Folder
from hogline.delivery.gate import Gate, Rate
from hogline.delivery.installed import Installed
from hogline.delivery.part import Part
from hogline.delivery.portions import Follower, OfFolder
from hogline.delivery.puller import Folded
from hogline.delivery.retried import Retried
from hogline.delivery.tally import Notes, Tally
from hogline.delivery.worker import Worker
from hogline.destinations.base import InvalidOptions, Learning, Send
from hogline.store.base import Connection, Journal, State, Unwritable
from hogline.store.crew import Report
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
        follows: bool = False,
        others: Alone | None = None,
        listener: RequestListener = nobody,
        noting: Callable[[], None] | None = None,
        calm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`retains`: inactive people are removed. `follows`: another process folds. `others`: who else delivers.
        `noting`: as for a `Worker`. `calm`: returns when no request that was given up can still be on its way.
        """
        self._noting = noting
        self._calm = calm or _calm
        self.others = others or Alone()
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
        self._began: set[int] = set()
        """Connections that ran here before."""
        self._folder: Folder | None = None
        self._follows = follows
        self._learning = Learning()
        self.go_alone: Callable[[Collection[int]], Awaitable[None]] | None = None
        """Returns when no other process carries anything of these connections, for a while."""
        self.removed_some = False
        """Other processes may still have someone in memory who is not stored anymore."""

    # what is known

    @property
    def folder(self) -> Folder:
        """Runs from its first use on."""
        if self._folder is None:
            self._folder = Folder(
                self._journal,
                self._state,
                self._clock,
                learning=self._learning,
                retains=self._retains,
                spreads=self.others.may_come,
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
        self.removed_some = self.removed_some or bool(expired.ids)
        return expired

    async def stop_folding(self) -> None:
        """Returns when everything folded is on disk. The next use starts from there. No worker may run."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            await folder.close()

    # workers

    def start(self, one: Installed[Any], part: Part | None = None) -> None:
        """Run this connection, or a part of it. Nothing happens if it already runs."""
        connection = one.connection
        if connection.id in self._running:
            return
        per_second = one.destination.requests_per_second(one.options)
        rate = Rate(per_second if part is None else part.of(per_second), self._clock)
        if part is not None or connection.id in self._began:
            rate.spend()  # by what ran until now, here or in other processes
        self._began.add(connection.id)
        worker: Worker[Any] = Worker(
            connection,
            one.destination,
            one.options,
            folder=self._folded(part),
            part=part,
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

    def _folded(self, part: Part | None) -> Folded:
        if part is None:
            return self.folder
        if self._follows:
            return Follower(self._journal, self._state, part, self._clock)
        return OfFolder(self.folder, part)

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

    async def part(self, connection: int) -> Part | None:
        """What of a connection is carried here from now on; None: all of it. It must not run."""
        if not self.others.shares(connection):
            await self.others.release(connection)
            return None
        await self._calm()
        self.folder.shared = True
        await self.folder.flush()
        return await self.others.part(connection)

    async def stop(self, connection: int, within_s: float = 20.0) -> None:
        """Returns when nothing of this connection is in flight, in no process. Harmless if it is not running."""
        both = (self._stop(connection, within_s), self.others.release(connection))
        for failed in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed

    async def _stop(self, connection: int, within_s: float) -> None:
        if running := self._running.pop(connection, None):
            worker, task = running
            await worker.close(within_s)
            await task

    async def stop_for(self, connection: int, reason: str) -> None:
        """Another process says that it has to stop."""
        if running := self._running.get(connection):
            one = running[0].connection
            await self.stop(connection)
            await self._report(one, reason)

    async def close(self, within_s: float = 20.0) -> None:
        stops = [self.stop(connection, within_s) for connection in list(self._running)]
        for failed in await asyncio.gather(*stops, return_exceptions=True):
            # The next owner waits until the others have put down what is theirs.
            if isinstance(failed, BaseException) and not isinstance(failed, Unwritable):
                raise failed
        await self.stop_folding()

    def runs(self, connection: int) -> bool:
        return connection in self._running

    def trouble(self, connection: int) -> str | None:
        running = self._running.get(connection)
        if running is None:
            return None
        return running[0].trouble or self.folding_trouble or self.others.trouble(connection)

    def reports(self) -> dict[int, Report]:
        """How each connection does here."""
        return {
            one: Report(trouble=worker.trouble, since_ms=worker.since_ms, next_try_ms=worker.next_try_ms)
            for one, (worker, _) in self._running.items()
        }

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

    def unsaved_counts(self, connection: int) -> tuple[int, Counter[str]]:
        """As of `Worker`; nothing if it is not running."""
        running = self._running.get(connection)
        return running[0].unsaved_counts if running else (0, Counter())

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

    async def alone(self, connections: Collection[int]) -> None:
        """Returns when only this process delivers these, because someone is about to watch every event, or something is
        about to be sent again. It stays like this as long as that lasts. Raises `Unwritable`."""
        if self.go_alone is not None:
            await self.go_alone(connections)

    def is_watched(self, connection: int) -> bool:
        """Whether someone waits for the events of a connection."""
        watching = self._tallies.get(connection, ())
        return any(not (isinstance(one, Retried) and one.is_over) for one in watching)

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


async def _calm() -> None:
    """Nothing was given up."""


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
