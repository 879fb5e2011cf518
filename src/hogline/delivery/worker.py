"""The worker that runs one connection: journal → plan → send → settle, until it is stopped.

Two loops: one pulls events from the journal into lanes, the other makes shipments of what waits whenever a
request may go out. While requests are out, the next events gather: batches grow by themselves under load.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

from hogline.delivery.again import Again
from hogline.delivery.clock import Clock
from hogline.delivery.fuse import Fuse
from hogline.delivery.gate import Gate
from hogline.delivery.lanes import Item, Lanes, Source
from hogline.delivery.pack import pack
from hogline.delivery.records import StoredRecords
from hogline.delivery.routes import Routes
from hogline.delivery.settle import OperationOutcome, settle
from hogline.delivery.shipment import Shipment, plan_shipment
from hogline.delivery.tally import Tally
from hogline.destinations.base import Destination, Send, Unreachable
from hogline.model import (
    FORGOTTEN,
    Event,
    Operation,
    Person,
    Plan,
    Refusal,
    Refused,
    Retry,
    Settled,
    Stop,
    decode_event,
)
from hogline.posthog.joins import join_of
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
LOOK_FOR_DUE_S = 60.0
"""At the latest: a clock may be put back."""
MOST_DIVIDED = 100
"""More refused operations in one shipment are no bad values: something is wrong with all of them."""


def nobody_is(_distinct_id: str) -> bool:
    """Suppressed, as long as nothing was read."""
    return False


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
        merge_delay_s: float = 30.0,
    ) -> None:
        """`merge_delay_s`: how long a merge waits when both customers are accepted."""
        self._connection = connection
        self._destination = destination
        self._options = options
        self._journal = journal
        self._state = state
        self._send = send
        self._gate = gate
        self._clock = clock
        self._merge_delay_ms = round(merge_delay_s * 1_000)
        self._is_suppressed: Callable[[str], bool] = nobody_is
        self._records = StoredRecords(state, connection.id)
        self._routes = Routes(state, connection.id)
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
        self._due_changed = asyncio.Event()
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

    def due(self, person: Person) -> Plan:
        """What is to be done for somebody after a pause."""
        return self._destination.due(person, self._options)

    def plan(self, event: Event, person: Person | None, other: Person | None = None) -> Plan:
        """What an event comes to; a mistake of ours over it makes it a dead letter."""
        if self._is_suppressed(event.distinct_id):
            return Plan(None, filtered="suppressed")
        try:
            return self._destination.plan(event, person, self._options, other)
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
        self._records = StoredRecords(self._state, self._connection.id)
        await self._records.begin()
        self._is_suppressed = await self._state.suppressed(self._connection.id)
        self._routes = Routes(self._state, self._connection.id)
        self._lanes = Lanes(self._connection.start, await self._state.lanes(self._connection.id))
        self._unwritable = None
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(self._pull()),
                    tasks.create_task(self._pull_again()),
                    tasks.create_task(self._pull_due()),
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
            await self._add([(position, decode_event(body), len(body)) for position, body in rows])
            # Large events come in smaller portions, so that the window is not far exceeded by the last one.
            at_once = max(10, min(PULL, PULL_BYTES * len(rows) // max(lanes.size_bytes - before, 1)))
            self._wake.set()
            await asyncio.sleep(0)

    async def _add(self, events: Sequence[tuple[int, Event, int]]) -> None:
        """The journal's next events → lanes. One that joins two ids brings both into one lane from here on."""
        lanes, routes = self._lanes, self._routes
        joins = {position: join for position, event, _ in events if (join := join_of(event)) is not None}
        ids = {event.distinct_id for _, event, _ in events}
        ids.update(join.other for join in joins.values())
        await routes.load(ids)
        for position, event, size_bytes in events:
            distinct_id = event.distinct_id
            join = joins.get(position)
            if not distinct_id:  # forgotten, and counted when it was
                lanes.read = position
            elif join is None:
                lanes.add(position, event, size_bytes, routes.group(distinct_id, position).name)
            else:
                leaving = [routes.group(one, position - 1).name for one in (distinct_id, join.other)]
                changed = routes.join(distinct_id, join.other, position)
                group = routes.group(distinct_id, position).name
                lanes.add(position, event, size_bytes, group, other=join.other, routes=changed, leaving=leaving)

    async def _pull_due(self) -> None:
        """What is to be done after a pause → lanes."""
        while True:
            self._due_changed.clear()
            due = await self._state.due(self._connection.id, PULL)
            now_ms = self._clock.time_ms()
            for distinct_id in self._again.new_due(one for one, at_ms in due if at_ms <= now_ms):
                await self._add_again(Item(0, distinct_id, None, 0, Source.DUE))
            pause_ms = min((at_ms for _, at_ms in due if at_ms > now_ms), default=now_ms) - now_ms
            if pause_ms:
                await self._clock.sleep(min(pause_ms / 1_000, LOOK_FOR_DUE_S))
            else:
                await self._due_changed.wait()

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
                    await self._add_event_again(letter.position, letter.event, Source.RETRY)

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
                if body != FORGOTTEN and (not replay.events or decode_event(body).name in replay.events)
            ]
            again.replaying([position for position, _ in wanted], rows[-1][0] if rows else replay.last)
            for position, body in wanted:
                await self._add_event_again(position, body, Source.REPLAY)
            if not wanted:  # nothing of it will be settled by a shipment
                await self._keep(Settlement(connection=self._connection.id, lanes={}, replay_settled=again.ended(())))
            await asyncio.sleep(0)

    async def _add_event_again(self, position: int, body: bytes, source: Source) -> None:
        event = decode_event(body)
        join = join_of(event)
        other = None
        if join is not None:
            await self._routes.load([event.distinct_id, join.other])
            groups = {self._routes.group(one, self._lanes.read).name for one in (event.distinct_id, join.other)}
            # Ids that travel in different lanes cannot be joined out of their time.
            other = join.other if len(groups) == 1 else None
        await self._add_again(Item(position, event.distinct_id, event, len(body), source, other))

    async def _add_again(self, item: Item) -> None:
        await self._routes.load([item.distinct_id])
        group = self._routes.group(item.distinct_id, self._lanes.read).name
        self._lanes.add_again(item, group, self._routes.moves(item.distinct_id))
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
            shipment = await plan_shipment(ready, self._lanes, self._records, self, self._destination.limits)
            if self._closing.is_set():  # nobody would wait for it any more
                return
            if not shipment.items:
                self._lanes.settled({}, shipment.lanes, ())
                continue
            shipping = tasks.create_task(self._carry(shipment))
            self._shipping.add(shipping)
            shipping.add_done_callback(self._shipping.discard)
            self._wake.set()
            await asyncio.sleep(0)  # it passes the gate now, so that the next one is filled when it may go

    async def _carry(self, shipment: Shipment) -> None:
        """Send everything, settle it, free the lanes."""
        self.watch.shipment(item.event.uuid for item in shipment.items if item.event is not None)
        outcomes: list[OperationOutcome] = list(await self._deliver_all(shipment.operations))
        refused = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Refusal)}
        if 0 < len(refused) <= MOST_DIVIDED:
            for index, refusal in refused.items():
                outcomes[index] = await self._in_parts(shipment.operations[index], refusal)
        await self._settle(shipment, outcomes)

    async def _in_parts(self, operation: Operation, refusal: Refusal) -> OperationOutcome:
        """The outcome of a refused operation that may have something good in it: divided, until what is bad is
        alone.
        """
        parts = self._destination.parts(operation, refusal)
        if not parts:
            return refusal
        outcomes: list[tuple[Operation, Refusal | None]] = []
        while parts:
            divided: list[Operation] = []
            for part, outcome in zip(parts, await self._deliver_all(parts), strict=True):
                smaller = self._destination.parts(part, outcome) if outcome is not None else ()
                divided += smaller
                if not smaller:
                    outcomes.append((part, outcome))
            parts = divided
        return tuple(outcomes)

    async def _deliver_all(self, operations: Sequence[Operation]) -> list[Refusal | None]:
        outcomes: list[Refusal | None] = []
        for some in pack(operations, self._destination.limits):
            outcomes += await self._deliver(some)
        return outcomes

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

    async def _settle(self, shipment: Shipment, outcomes: Sequence[OperationOutcome]) -> None:
        requests, self._requests = self._requests, 0
        retries, self._retries = self._retries, Counter()
        positions = self._lanes.settle(shipment.lanes)
        items = shipment.items
        now_ms = self._clock.time_ms()
        result = settle(
            shipment,
            outcomes,
            self,
            connection=self._connection.id,
            positions=positions,
            now_ms=now_ms,
            due_ms=now_ms + self._merge_delay_ms,
            requests=requests,
            retries=retries,
            replay_settled=self._again.ended(items),
        )
        await self._keep(result.settlement, items)
        self._records.settled(result.settlement, result.people, result.claims)
        self._routes.settled(result.settlement.routes)
        self._lanes.settled(positions, shipment.lanes, items)
        for tally in self.tallies:
            tally.note(result.outcomes)
        self._wake.set()
        self._room.set()
        if result.settlement.due or result.settlement.done:
            self._due_changed.set()
        self._fuse.note(isinstance(outcome, Refusal) for outcome in outcomes)
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
