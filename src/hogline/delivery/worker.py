"""The worker that runs one connection: journal → plan → send → settle, until it is stopped.

Two loops: one pulls events from the journal into lanes, the other makes shipments of what waits whenever a
request may go out. While requests are out, the next events gather: batches grow by themselves under load.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

from hogline.delivery.again import Again
from hogline.delivery.clock import Clock
from hogline.delivery.fuse import Fuse
from hogline.delivery.gate import Gate
from hogline.delivery.lanes import Item, Lanes, Source
from hogline.delivery.pack import pack
from hogline.delivery.people import People
from hogline.delivery.shipment import Shipment, plan_shipment, settle
from hogline.delivery.tally import Tally
from hogline.destinations.base import Destination, Send, Unreachable
from hogline.model import Event, Operation, Person, Plan, Refusal, Refused, Retry, Settled, Stop, decode_event
from hogline.store.base import Connection, Journal, Settlement, State, Unwritable
from hogline.telemetry.delivery import DeliveryWatch

OptionsT = TypeVar("OptionsT")
ErrorT = TypeVar("ErrorT", bound=Exception)

log = structlog.get_logger("hogline.delivery")

WINDOW_BYTES = 12_000_000
"""Events that are waiting or in flight, as they lie in the journal: what bounds a connection's memory. Enough for 100
requests a second at 200 ms: 20 full ones in flight, and the next being filled."""
PULL = 1_000
LOOK_AGAIN_S = 5.0
"""After the disk could not be read."""
PULL_BYTES = 1_000_000


class Stopped(Exception):
    """The destination says that the connection itself is wrong; the text says what to do."""


class Worker(Generic[OptionsT]):
    def __init__(
        self,
        connection: Connection,
        destination: Destination[OptionsT],
        options: OptionsT,
        *,
        journal: Journal,
        state: State,
        send: Send,
        gate: Gate,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._destination = destination
        self._options = options
        self._journal = journal
        self._state = state
        self._send = send
        self._gate = gate
        self._clock = clock
        self._people = People(state, connection.id)
        self._lanes = Lanes(connection.start, {})
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._shipping: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._requests = 0
        self._retries: Counter[str] = Counter()
        self._unwritable: str | None = None
        self._again = Again()
        self._asked_again = asyncio.Event()
        self._fuse = Fuse()
        self.tallies: set[Tally] = set()
        self.watch = DeliveryWatch(connection.name, clock)

    @property
    def trouble(self) -> str | None:
        """Why it waits; None while all is well."""
        return self._unwritable or self._gate.trouble

    @property
    def unsaved_requests(self) -> int:
        """Requests that were sent but belong to no settlement yet."""
        return self._requests

    def _plan(self, event: Event, person: Person | None) -> Plan:
        try:
            return self._destination.plan(event, person, self._options)
        except Exception as error:
            # A mistake of ours over one event must not keep all others from being delivered.
            log.error("planning failed", connection=self._connection.name, uuid=event.uuid, error=type(error).__name__)  # noqa: TRY400  # a traceback may quote the event
            return Plan(person, refusals=(Refusal("internal_error", "Hogline failed over this event."),))

    async def run(self) -> None:
        """Runs until `close`. Raises `Stopped` when the connection has to stop; then nothing is in flight."""
        while not self._closing.is_set():
            try:
                await self._run_once()
            except (ExceptionGroup, Unwritable) as failed:
                if (stopped := _of_kind(failed, Stopped)) is not None:
                    raise stopped from None
                if (trouble := _of_kind(failed, Unwritable)) is None:
                    raise
                # The disk cannot be read: begin again from what is settled, when it can be.
                self._unwritable = str(trouble)
                self.watch.standing(self.trouble)
                await self._clock.sleep(LOOK_AGAIN_S)

    async def _run_once(self) -> None:
        """From what is on disk, until `close` or until something cannot go on."""
        self._again = Again()
        self._people = People(self._state, self._connection.id)
        self._lanes = Lanes(self._connection.start, await self._state.lanes(self._connection.id))
        self._unwritable = None
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(self._pull()),
                    tasks.create_task(self._pull_again()),
                    tasks.create_task(self._ship(tasks)),
                ]
                await self._closing.wait()
                for loop in loops:
                    loop.cancel()
        finally:
            # Behind all writes that are under way: whoever starts this connection next sees them. On a disk that
            # takes nothing only a count of requests is lost, and the reason for the stop must not be.
            requests, self._requests = self._requests, 0
            retries, self._retries = self._retries, Counter()
            with suppress(Unwritable):
                await self._state.settle(
                    Settlement(connection=self._connection.id, lanes={}, requests=requests, retries=retries)
                )

    async def close(self, within_s: float = 20.0) -> None:
        """No new requests; those in flight are settled, or given up when the time is over or the destination is
        in trouble: they are sent again after the next start.
        """
        self._closing.set()
        if self._shipping:
            _, late = await asyncio.wait(self._shipping, timeout=0 if self.trouble else within_s)
            for shipping in late:
                shipping.cancel()

    def ask_again(self) -> None:
        """Dead letters are to be retried, or a replay has begun: the state says what."""
        self._asked_again.set()

    async def _space(self) -> None:
        """Returns when the window has room for more events."""
        while self._lanes.size_bytes >= WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()

    async def _pull(self) -> None:
        """Journal → lanes, as far as the window has room."""
        lanes, at_once = self._lanes, PULL // 10
        while True:
            await self._journal.wait(lanes.read)
            await self._space()
            before, rows = lanes.size_bytes, await self._journal.read(lanes.read, at_once)
            for position, body in rows:
                lanes.add(position, decode_event(body), len(body))
            # Large events come in smaller portions, so that the window is not far exceeded by the last one.
            at_once = max(10, min(PULL, PULL_BYTES * len(rows) // max(lanes.size_bytes - before, 1)))
            self._wake.set()
            await asyncio.sleep(0)

    async def _pull_again(self) -> None:
        """Dead letters that are retried, and a replay → lanes."""
        while True:
            await self._pull_retries()
            await self._pull_replay()
            await self._asked_again.wait()
            self._asked_again.clear()

    async def _pull_retries(self) -> None:
        after = 0
        while letters := await self._state.dead_letters(self._connection.id, after=after, limit=PULL, retrying=True):
            after = letters[-1].position
            new = self._again.new_retries(letter.position for letter in letters)
            await self._space()
            for letter in letters:
                if letter.position in new:
                    self._add_again(letter.position, letter.event, Source.RETRY)

    async def _pull_replay(self) -> None:
        again = self._again
        if again.replay is None and (replay := await self._state.replay(self._connection.id)) is not None:
            again.begin(replay)
        while again.replay is not None and again.read < again.replay.last:
            replay = again.replay
            await self._space()
            rows = [row for row in await self._journal.read(again.read, PULL) if row[0] <= replay.last]
            wanted = [
                (position, body)
                for position, body in rows
                if not replay.events or decode_event(body).name in replay.events
            ]
            again.replaying([position for position, _ in wanted], rows[-1][0] if rows else replay.last)
            for position, body in wanted:
                self._add_again(position, body, Source.REPLAY)
            if not wanted:  # nothing of it will be settled by a shipment
                await self._keep(Settlement(connection=self._connection.id, lanes={}, replay_settled=again.ended(())))
            await asyncio.sleep(0)

    def _add_again(self, position: int, body: bytes, source: Source) -> None:
        self._lanes.add_again(Item(position, decode_event(body), len(body), source))
        self._wake.set()

    async def _ship(self, tasks: asyncio.TaskGroup) -> None:
        """Lanes → shipments, whenever a request may go out."""
        while True:
            await self._wake.wait()
            await self._gate.open()
            self._wake.clear()
            ready = self._lanes.ready()
            if not ready:
                continue
            shipment = await plan_shipment(ready, self._people.load, self._plan, self._destination.limits)
            if self._closing.is_set():  # nobody would wait for it any more
                return
            shipping = tasks.create_task(self._carry(shipment))
            self._shipping.add(shipping)
            shipping.add_done_callback(self._shipping.discard)
            self._wake.set()
            await asyncio.sleep(0)  # it passes the gate now, so that the next one is filled when it may go

    async def _carry(self, shipment: Shipment) -> None:
        """Send everything, settle it, free the lanes."""
        self.watch.shipment(planned.item.event.uuid for planned in shipment.planned)
        outcomes: list[Refusal | None] = []
        for operations in pack(shipment.operations, self._destination.limits):
            outcomes += await self._deliver(operations)
        await self._settle(shipment, outcomes)

    async def _deliver(self, operations: list[Operation]) -> list[Refusal | None]:
        """The outcome of each, however long it takes. What is refused as a whole is halved until the culprits
        are alone.
        """
        outcomes: list[Refusal | None] = []
        rest = [operations]
        while rest:
            part = rest.pop()
            answer = await self._ask(part)
            match answer:
                case Settled():
                    outcomes += answer.outcomes
                case Refused() if len(part) == 1:
                    outcomes.append(answer.refusal)
                case Refused():
                    half = len(part) // 2
                    rest += [part[half:], part[:half]]
                case Retry():
                    rest.append(part)
        return outcomes

    async def _ask(self, operations: list[Operation]) -> Settled | Refused | Retry:
        request = self._destination.request(operations, self._options)
        async with self._gate.passing():
            self._requests += 1
            try:
                response = await self.watch.timed(self._send(request), len(operations), len(request.body))
            except Unreachable as unreachable:
                answer: Settled | Refused | Retry | Stop = Retry(
                    f"{self._destination.title} cannot be reached ({unreachable}); Hogline tries again."
                )
                status = "unreachable"
            else:
                answer = self._destination.read_answer(operations, response, self._clock.time_ms() / 1_000)
                status = str(response.status)
            match answer:
                case Retry():
                    self._retries[status] += 1
                    self._gate.failed(answer.reason, answer.after_s, too_fast=answer.throttled)
                case Stop():
                    raise Stopped(answer.reason)
                case _:
                    self._gate.succeeded()
            self.watch.standing(self.trouble)
            return answer

    async def _settle(self, shipment: Shipment, outcomes: list[Refusal | None]) -> None:
        requests, self._requests = self._requests, 0
        retries, self._retries = self._retries, Counter()
        positions = self._lanes.settle(shipment.lanes)
        items = [planned.item for planned in shipment.planned]
        result = settle(
            shipment,
            outcomes,
            self._plan,
            connection=self._connection.id,
            positions=positions,
            now_ms=self._clock.time_ms(),
            requests=requests,
            retries=retries,
            replay_settled=self._again.ended(items),
        )
        await self._keep(result.settlement, items)
        self._people.settled(result.people)
        self._lanes.settled(positions, shipment.lanes, shipment.size_bytes)
        for tally in self.tallies:
            tally.note(result.outcomes)
        self._wake.set()
        self._room.set()
        self._fuse.note(outcome is not None for outcome in outcomes)
        if self._fuse.blown:
            raise Stopped(
                f"{self._destination.title} refused more than half of what was lately sent: probably the connection's "
                "options are wrong. `hogline failures` shows what was refused; `hogline enable` goes on."
            )

    async def _keep(self, settlement: Settlement, items: Sequence[Item] = ()) -> None:
        """Write the settlement, however long the disk refuses it: what was accepted must not be forgotten."""
        while True:
            try:
                await self._state.settle(settlement)
            except Unwritable as trouble:
                self._unwritable = str(trouble)
                self.watch.standing(self.trouble)
                await self._clock.sleep(trouble.retry_after_s)
            else:
                self._unwritable = None
                self.watch.standing(self.trouble)
                self._again.kept(items, settlement.replay_settled)
                return


def _of_kind(failed: BaseException, kind: type[ErrorT]) -> ErrorT | None:
    """The first error of that kind among those that a group of tasks failed with."""
    if isinstance(failed, kind):
        return failed
    within = failed.exceptions if isinstance(failed, BaseExceptionGroup) else ()
    return next((found for error in within if (found := _of_kind(error, kind)) is not None), None)
