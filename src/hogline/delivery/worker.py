"""The worker that runs one connection: journal → plan → send → settle, until it is stopped.

The puller gives the desk work. This sends what the desk plans whenever a request may go out, and writes what it asks
for. While requests are out, the next events gather, so batches grow under load.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

import structlog
from msgspec.structs import replace

from hogline.clock import Clock
from hogline.core.changes import Noted, Settlement
from hogline.core.desk import MOST_EVENTS, Desk
from hogline.core.items import OperationOutcome
from hogline.core.settle import Outcome
from hogline.core.shipment import Shipment
from hogline.delivery.carrier import Carrier, Stopped
from hogline.delivery.fuse import Fuse
from hogline.delivery.gate import Gate
from hogline.delivery.logbook import noted
from hogline.delivery.part import Part
from hogline.delivery.puller import Folded, Puller
from hogline.delivery.retries import Retries
from hogline.delivery.tally import Notes
from hogline.destinations.base import Destination, Send
from hogline.model import Refusal
from hogline.posthog.entry import Entry
from hogline.store.base import Connection, Journal, State, Unwritable
from hogline.store.shared import Contended
from hogline.telemetry.delivery import DeliveryWatch, RequestListener, nobody

OptionsT = TypeVar("OptionsT")
ErrorT = TypeVar("ErrorT", bound=Exception)

log = structlog.get_logger("hogline.delivery")

LOOK_AGAIN_S = 5.0
"""After the disk could not be read."""


STEP_EVERY_S = 0.1
"""How often processes that share a connection tell each other how far they are, if no settlement does."""
HEAR_EVERY_S = 0.05
"""How often one that waits for another looks how far that is."""
GATHER_S = 0.1
"""How long one that is behind gathers events after a small shipment. Each shipment costs several transactions, and
those of all processes go one after the other."""
LOOK_FOR_LEFT_S = 5.0
"""How often a process looks for what another has left for it."""


class Worker(Generic[OptionsT]):
    def __init__(
        self,
        connection: Connection,
        destination: Destination[OptionsT],
        options: OptionsT,
        *,
        folder: Folded,
        journal: Journal,
        state: State,
        part: Part | None = None,
        send: Send,
        gate: Gate,
        clock: Clock,
        merge_delay_s: float = 30.0,
        tallies: AbstractSet[Notes] = frozenset(),
        listener: RequestListener = nobody,
        noting: Callable[[], None] | None = None,
    ) -> None:
        """`part`: of a connection that others deliver, too; None: all of it. `merge_delay_s`: how long a merge waits
        when both customers are accepted. `tallies`: anyone who waits for events, now or later. `listener` gets each
        request. `noting`: called whenever what happened to events was noted for the event log; None: nothing is.
        """
        self.connection = connection
        self._destination = destination
        self._options = options
        self._folder = folder
        self._journal = journal
        self._state = state
        self._part = part
        self._gate = gate
        self._clock = clock
        self._merge_delay_ms = round(merge_delay_s * 1_000)
        self._wake = asyncio.Event()
        self._shipping: set[asyncio.Task[None]] = set()
        self._retries = Retries(clock)
        self._closing = asyncio.Event()
        self._unwritable: str | None = None
        self._unwritable_since_ms = 0
        self._refused_writes = 0
        """Writes that the disk refused, and those that wait behind them."""
        self._turn = asyncio.Lock()
        """One of those at a time."""
        self._fuse = Fuse()
        self._tallies = tallies
        self._noting = noting
        self._watch = DeliveryWatch(connection.name, clock, listener)
        self._carrier = Carrier(destination, options, send=send, gate=gate, clock=clock, watch=self._watch)
        self.requests = 0
        """Sent so far, as far as they are settled."""
        self._told_s = 0.0
        """When others were told last how far the lanes are."""
        self._desk: Desk | None = None
        self._puller: Puller | None = None

    async def _begin(self) -> tuple[Desk, Puller]:
        """Starts from what is on disk: nothing is pulled, and no one is known."""
        state, connection = self._state, self.connection
        received_ms = await self._journal.received_at(self._journal.end)
        last, positions = state.settled_before(connection.id)
        desk = self._desk = Desk(
            self._destination,
            self._options,
            connection=connection.id,
            known=self._folder.known,
            reads=state,
            start=connection.start,
            lanes=await state.lanes(connection.id),
            mine=self._part.lanes if self._part is not None else None,
            start_s=(received_ms or 0) // 1_000,
            suppressed=self._state.suppressed,
            merge_delay_ms=self._merge_delay_ms,
            settled_before=positions.__contains__ if last else None,
            elsewhere=partial(self._journal.backfilled.elsewhere, connection.id),
            failed=self._failed,
        )
        puller = self._puller = Puller(
            connection.id,
            desk,
            folder=self._folder,
            journal=self._journal,
            state=state,
            clock=self._clock,
            pulled=self._wake,
            keep=self._keep,
            forgotten=self._note_forgotten,
        )
        return desk, puller

    def _failed(self, entry: Entry, error: Exception) -> None:
        log.error("planning failed", connection=self.connection.name, uuid=entry.uuid, error=type(error).__name__)

    def _note_forgotten(self, position: int) -> None:
        for tally in self._tallies:
            tally.note([Outcome(position, "filtered", "forgotten")])

    @property
    def trouble(self) -> str | None:
        """Why it waits; None: all is well."""
        return self._unwritable or self._gate.trouble

    @property
    def since_ms(self) -> int:
        """Since when there is this trouble, or none."""
        return self._unwritable_since_ms if self._unwritable else self._gate.since_ms

    @property
    def next_try_ms(self) -> int | None:
        """When the next request is tried; None: there is no trouble, or it is the disk's."""
        return None if self._unwritable else self._gate.next_try_ms

    def _disk_fails(self, trouble: Unwritable) -> None:
        if self._unwritable is None:
            self._unwritable_since_ms = self._clock.time_ms()
        self._unwritable = str(trouble)
        self._watch.standing(self.trouble)

    @property
    def settled(self) -> int:
        """The position up to which everything is settled; 0: not read yet."""
        return 0 if self._desk is None else min(lane.settled for lane in self._desk.lanes.mine)

    @property
    def unsaved_counts(self) -> tuple[int, Counter[str]]:
        """Requests that were sent but are not part of a settlement yet, and those to send again, by status."""
        return self._carrier.requests, self._carrier.retries

    async def run(self) -> None:
        """Runs until `close`. Raises `Stopped` when the connection has to stop; nothing is in flight then."""
        while not self._closing.is_set():
            try:
                await self._run_once()
            except (ExceptionGroup, Unwritable) as failed:
                if (stopped := _of_kind(failed, Stopped)) is not None:
                    raise stopped from None
                if (trouble := _of_kind(failed, Unwritable)) is None:
                    raise
                # The disk cannot be read. Start again from what is settled, once it can be.
                self._disk_fails(trouble)
                await self._clock.sleep(LOOK_AGAIN_S)

    async def _run_once(self) -> None:
        """From what is on disk, until `close` or until something cannot continue."""
        desk, puller = await self._begin()
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(puller.pull_journal()),
                    tasks.create_task(puller.pull_again()),
                    tasks.create_task(puller.pull_due()),
                    tasks.create_task(puller.resender.run()),
                    tasks.create_task(self._ship(desk, tasks)),
                    tasks.create_task(self._recover()),
                ]
                if self._part is not None:
                    loops.append(tasks.create_task(self._keep_step(self._part, desk, puller)))
                await self._closing.wait()
                for loop in loops:
                    loop.cancel()
        finally:
            # After all writes that are under way, so the next start sees them. On a full disk, only a count of
            # requests is lost; the reason for the stop must not be.
            requests, retries = self._carrier.take_counts()
            with suppress(Unwritable):
                await self._state.settle(
                    Settlement(connection=self.connection.id, lanes={}, requests=requests, retries=retries)
                )

    async def _keep_step(self, part: Part, desk: Desk, puller: Puller) -> None:
        """Tell the others how far these lanes are, and hear how far theirs are, until cancelled."""
        assert desk.share is not None
        looked_s = self._clock.now_s()
        told = dict[int, int]()
        while True:
            await self._clock.sleep(HEAR_EVERY_S if desk.waits_for_others else STEP_EVERY_S)
            if desk.waits_for_others:
                desk.hear(await part.state.far(self.connection.id))
                self._wake.set()
            now_s = self._clock.now_s()
            if now_s >= self._told_s + STEP_EVERY_S:
                self._told_s, positions, clear = now_s, desk.lanes.positions(None), desk.lanes.clear()
                if positions or clear != told:
                    await self._keep(Settlement(connection=self.connection.id, lanes=positions, clear=clear))
                    desk.lanes.settled(positions, None, ())
                    told = clear
            if now_s >= looked_s + LOOK_FOR_LEFT_S:
                looked_s = now_s
                puller.look()

    async def _recover(self) -> None:
        """The disk could not be read. It can once nothing has failed for as long as we waited before."""
        if self._unwritable is not None:
            await self._clock.sleep(LOOK_AGAIN_S)
            self._disk_is_well()

    def _disk_is_well(self) -> None:
        if not self._refused_writes:
            self._unwritable = None
            self._watch.standing(self.trouble)

    async def close(self, within_s: float = 20.0) -> None:
        """Sends nothing new. What is in flight is settled, or given up after that time or if the destination is in
        trouble; it is sent again after the next start.
        """
        self._closing.set()
        if self._shipping:
            _, late = await asyncio.wait(self._shipping, timeout=0 if self.trouble else within_s)
            for shipping in late:
                shipping.cancel()

    def retries(self, position: int) -> list[tuple[int, str]]:
        """Failed tries to send an event that is under way: when (milliseconds since 1970), and what came back."""
        return self._retries.for_event(position)

    def ask_again(self) -> None:
        """Failures are to be retried, a replay has started, or people are to be resent. The state says what."""
        if self._puller is not None:
            self._puller.ask_again()

    def lose(self, people: Sequence[str]) -> None:
        """Nothing is stored about these people anymore."""
        if self._desk is not None:
            self._desk.records.lose(people)

    async def _ship(self, desk: Desk, tasks: asyncio.TaskGroup) -> None:
        """What is waiting → shipments, whenever a request may go out."""
        while True:
            await self._wake.wait()
            await self._gate.wait_open()
            self._wake.clear()
            shipment = desk.plan(self._clock.time_ms())
            if shipment is None:
                continue
            if self._closing.is_set():  # nobody would wait for it
                return
            shipping = tasks.create_task(self._carry(desk, shipment))
            self._shipping.add(shipping)
            shipping.add_done_callback(self._shipping.discard)
            self._wake.set()
            await asyncio.sleep(0)  # it passes the gate now, so the next one is filled when it may go
            if self._part is not None and desk.lanes.waiting >= MOST_EVENTS > 2 * len(shipment.items):
                await self._clock.sleep(GATHER_S)

    async def _carry(self, desk: Desk, shipment: Shipment) -> None:
        """Send everything, settle it, free the lanes."""
        began_ms = self._clock.time_ms()
        with self._watch.shipment(item.entry.uuid for item in shipment.items if item.entry is not None):
            if (intent := shipment.intent) is not None:
                try:
                    await self._persist(lambda: self._state.intend(intent))
                except Contended as contended:
                    desk.give_back(shipment, contended.rows)
                    self._wake.set()
                    return
            with self._retries.of(shipment) as retried:
                outcomes = await self._carrier.carry(shipment.operations, retried, people=shipment.whose)
                self._watch.standing(self.trouble)
                await self._settle(desk, shipment, outcomes, began_ms)

    def _noted(self, shipment: Shipment, outcomes: Sequence[OperationOutcome], began_ms: int) -> Noted | None:
        """For the event log."""
        if self._noting is None:
            return None
        try:
            people, at_ms = self._destination.people, self._clock.time_ms()
            found = noted(shipment, people, outcomes, began_ms=began_ms, at_ms=at_ms)
            return found and self._retries.with_those(shipment, found)
        except Exception as error:  # a bug in what is only looked at must not stop delivery
            log.error("the event log failed", connection=self.connection.name, error=type(error).__name__)  # noqa: TRY400  # the kind says it
            return None

    async def _settle(
        self, desk: Desk, shipment: Shipment, outcomes: Sequence[OperationOutcome], began_ms: int
    ) -> None:
        requests, retries = self._carrier.take_counts()
        settled = desk.settle(shipment, outcomes, self._clock.time_ms(), requests=requests, retries=retries)
        self.requests += requests
        book = self._noted(shipment, outcomes, began_ms)
        settlement = settled.settlement
        if (runs := self._journal.backfilled.count(settled.outcomes, shipment.items)) or book is not None:
            settlement = replace(settlement, runs=runs, noted=book)
        await self._persist(lambda: self._state.settle(settlement))
        self._told_s = self._clock.now_s()
        if book is not None and self._noting is not None:
            self._noting()
        desk.settled(shipment, settled)
        if self._puller is not None:
            self._puller.kept(settled.settlement)
        for tally in self._tallies:
            tally.note(settled.outcomes)
        self._wake.set()
        self._fuse.note(isinstance(outcome, Refusal) for outcome in outcomes)
        if self._fuse.blown:
            raise Stopped(
                f"{self._destination.title} rejected more than half of the recent operations, so the connection's "
                "options are probably wrong. See `hogline failures`, fix the options, then run `hogline resume`."
            )

    async def _keep(self, settlement: Settlement) -> None:
        """Write a settlement of something that was not in a lane."""
        await self._persist(lambda: self._state.settle(settlement))

    async def _persist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Tries until the disk accepts it: what was accepted must not be forgotten. Later writes wait behind it,
        because a small write that fits where a large one did not would be overwritten by what was decided earlier. The
        trouble lasts until every refused write is done.
        """
        refused = None
        if not self._refused_writes and (refused := await _try(write)) is None:
            return
        self._refused_writes += 1
        try:
            async with self._turn:
                while refused is not None or (refused := await _try(write)) is not None:
                    self._disk_fails(refused)
                    await self._clock.sleep(refused.retry_after_s)
                    refused = None
        finally:
            self._refused_writes -= 1
        self._disk_is_well()


async def _try(write: Callable[[], Awaitable[None]]) -> Unwritable | None:
    try:
        await write()
    except Unwritable as refused:
        return refused
    return None


def _of_kind(failed: BaseException, kind: type[ErrorT]) -> ErrorT | None:
    """The first error of this kind in a group of failed tasks."""
    if isinstance(failed, kind):
        return failed
    within = failed.exceptions if isinstance(failed, BaseExceptionGroup) else ()
    return next((found for error in within if (found := _of_kind(error, kind)) is not None), None)
