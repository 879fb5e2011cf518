"""The carrier: operations → requests → the outcome of each operation, however long that takes. Knows no people and no
store.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

from hogline.clock import Clock
from hogline.core.items import OperationOutcome
from hogline.delivery.gate import Gate
from hogline.delivery.pack import pack, phases
from hogline.destinations.base import Destination, Send, Unreachable
from hogline.model import Operation, Refusal, Refused, Retry, Settled, Stop
from hogline.telemetry.delivery import DeliveryWatch

OptionsT = TypeVar("OptionsT")

AT_ONCE = 20
"""How many single operations of a shipment may be on their way. The gate keeps the rate."""
FEW = 100
"""If more operations than this are rejected, and more than are accepted, these are not single bad values: something is
wrong with all of them."""


Retried: TypeAlias = Callable[[Sequence[Operation], str, bool], None]
"""Called for a request that has to be sent again: with its operations, what came back (a status, or `unreachable`), and
whether it may have taken effect."""


class Stopped(Exception):
    """The destination says that the connection itself is wrong. The text says what to do."""


class Carrier(Generic[OptionsT]):
    def __init__(
        self,
        destination: Destination[OptionsT],
        options: OptionsT,
        *,
        send: Send,
        gate: Gate,
        clock: Clock,
        watch: DeliveryWatch,
    ) -> None:
        self._destination = destination
        self._options = options
        self._send = send
        self._gate = gate
        self._clock = clock
        self._watch = watch
        self.requests = 0
        """Requests sent since `take_counts`."""
        self.retries: Counter[str] = Counter()
        """Those of them that have to be sent again, by status."""

    def take_counts(self) -> tuple[int, Counter[str]]:
        """How many requests were sent since the last call, and how many of them have to be sent again, by status."""
        requests, self.requests = self.requests, 0
        retries, self.retries = self.retries, Counter()
        return requests, retries

    async def carry(
        self,
        operations: Sequence[Operation],
        retried: Retried = lambda *_: None,
        *,
        people: Callable[[], Sequence[str]],
    ) -> list[OperationOutcome]:
        """The outcome of each operation. A rejected operation that may contain something good is divided until what is
        bad is alone; of an identify with nothing good in it, the customer remains. `people`: whose each operation is;
        only theirs have to be in order. Raises `Stopped`.
        """
        if any(one.path is not None for one in operations):
            outcomes: list[OperationOutcome] = list(await self._deliver_by(operations, people(), retried))
        else:
            outcomes = list(await self._deliver_all(operations, retried))
        refused = [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, Refusal)]
        if len(refused) > FEW and 2 * len(refused) > len(operations):
            return outcomes
        found: dict[int, list[tuple[Operation, Refusal | None]]] = {}
        parts = [(index, part) for index, refusal in refused for part in self._parts(operations[index], refusal)]
        while parts:
            smaller: list[tuple[int, Operation]] = []
            answers = await self._deliver_all([part for _, part in parts], retried)
            for (index, part), answer in zip(parts, answers, strict=True):
                divided = self._parts(part, answer)
                smaller += [(index, one) for one in divided]
                if not divided:
                    found.setdefault(index, []).append((part, answer))
            parts = smaller
        for index, answered in found.items():
            outcomes[index] = tuple(answered)
        bare = [(index, one) for index, _ in refused if (one := self._bare(operations[index], found.get(index, ())))]
        for (index, one), answer in zip(bare, await self._deliver_all([one for _, one in bare], retried), strict=True):
            if answer is None:
                whole = ((operations[index], dict(refused)[index]),)
                outcomes[index] = (*found.get(index, whole), (one, None))
        return outcomes

    def _now_s(self) -> float:
        return self._clock.time_ms() / 1_000

    def _parts(self, operation: Operation, refusal: Refusal | None) -> Sequence[Operation]:
        people = self._destination.people
        return people.parts(operation, refusal) if refusal is not None and people is not None else ()

    def _bare(self, operation: Operation, parts: Sequence[tuple[Operation, Refusal | None]]) -> Operation | None:
        people = self._destination.people
        accepted = any(answer is None for _, answer in parts)
        return people.bare(operation) if people is not None and not accepted else None

    async def _deliver_by(
        self, operations: Sequence[Operation], people: Sequence[str], retried: Retried
    ) -> list[Refusal | None]:
        """Requests of single operations go at the same time, as far as they are different people's: one after the other
        would take a second for ten of them.
        """
        outcomes: list[Refusal | None] = [None] * len(operations)

        async def take(chains: Iterator[list[int]]) -> None:
            for chain in chains:
                for place in chain:
                    (outcomes[place],) = await self._deliver([operations[place]], retried)

        for alone, together in phases(operations, people):
            chains = iter(alone.values())
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(min(AT_ONCE, len(alone))):
                        tasks.create_task(take(chains))
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None
            answers = await self._deliver_all([operations[place] for place in together], retried)
            for place, answer in zip(together, answers, strict=True):
                outcomes[place] = answer
        return outcomes

    async def _deliver_all(self, operations: Sequence[Operation], retried: Retried) -> list[Refusal | None]:
        outcomes: list[Refusal | None] = []
        for some in pack(operations, self._destination.limits):
            outcomes += await self._deliver(some, retried)
        return outcomes

    async def _deliver(self, operations: list[Operation], retried: Retried) -> list[Refusal | None]:
        """The outcome of each, however long it takes. If a request is rejected as a whole, it is halved until the
        causes are alone.
        """
        outcomes: list[Refusal | None] = []
        rest = [operations]
        while rest:
            part = rest.pop()
            answer = await self._ask(part, retried)
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

    async def _ask(self, operations: list[Operation], retried: Retried) -> Settled | Refused | Retry:
        async with self._gate.passing():
            request = self._destination.request(operations, self._options, self._now_s())
            self.requests += 1
            try:
                response = await self._watch.timed(self._send(request), len(operations), len(request.body))
            except Unreachable as unreachable:
                answer: Settled | Refused | Retry | Stop = Retry(
                    f"{self._destination.title} cannot be reached ({unreachable}). Hogline keeps trying."
                )
                status = "unreachable"
            else:
                answer = self._destination.read_answer(operations, response, self._now_s())
                status = str(response.status)
            match answer:
                case Retry():
                    self.retries[status] += 1
                    retried(operations, status, not answer.throttled)
                    self._gate.failed(answer.reason, answer.after_s, too_fast=answer.throttled)
                case Stop():
                    raise Stopped(answer.reason)
                case _:
                    self._gate.succeeded()
            self._watch.standing(self._gate.trouble)
            return answer
