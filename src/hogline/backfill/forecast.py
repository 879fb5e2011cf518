"""A forecast: what a file of events would lead to under each choice of who is sent, so you can estimate the bill.

It starts with no known people and looks at the file alone. Knows nothing about prices or your real customers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import structs

from hogline.backfill.preview import NO_CONNECTION
from hogline.backfill.sending import received_in
from hogline.backfill.views import ChoiceForecast, ForecastView, Row
from hogline.clock import Clock
from hogline.core.shipment import Shipment
from hogline.delivery.installed import installed
from hogline.delivery.pack import pack
from hogline.delivery.rehearsal import Rehearsal, Rehearsed
from hogline.destinations.base import Choice, Limits
from hogline.destinations.catalogue import destination_of
from hogline.posthog.uuids import Uuids, told_apart
from hogline.store.base import Connection

WHOM = "anonymous_users"
"""The option whose choices are compared."""
MOST_HELD_BYTES = 100_000_000
"""Of one choice: a forecast has no disk, and must not take the memory of a process that delivers."""


def choices(destination: str) -> tuple[Choice, ...]:
    """What can be compared for a destination; nothing if it does not let one choose whom to send."""
    return next((option.choices for option in destination_of(destination).options if option.key == WHOM), ())


class Forecast:
    def __init__(self, connection: Connection | None, clock: Clock, *, hold_max_bytes: int) -> None:
        """With the other options of a connection, or the defaults."""
        self._connection = connection
        self._events = 0
        self._uuids = Uuids()
        self.touched_s = clock.now_s()
        made_for = connection or NO_CONNECTION
        self._choices = [
            _Forecast(choice, made_for, clock, min(hold_max_bytes, MOST_HELD_BYTES))
            for choice in choices(made_for.destination)
        ]

    async def rows(self, rows: Sequence[Row]) -> None:
        """The next rows."""
        events = [told_apart(received_in(row), self._uuids) for row in rows]
        self._events += len(events)
        for choice in self._choices:
            for received in events:
                choice.rehearsal.add(received.entry, len(received.body))
            while choice.rehearsal.is_full:
                await choice.ship()

    async def view(self) -> ForecastView:
        """What it came to so far."""
        for choice in self._choices:
            while await choice.ship():
                pass
        connection = self._connection
        return ForecastView(
            connection=connection.name if connection else None,
            now=str(connection.options.get(WHOM) or self._choices[0].choice.value) if connection else None,
            events=self._events,
            choices=[choice.view() for choice in self._choices],
        )


class _Forecast:
    """The forecast for one choice."""

    def __init__(self, choice: Choice, connection: Connection, clock: Clock, hold_max_bytes: int) -> None:
        one = installed(structs.replace(connection, options={**connection.options, WHOM: choice.value}))
        self.choice = choice
        self.rehearsal = Rehearsal(one, clock, hold_max_bytes=hold_max_bytes)
        self._limits: Limits = one.destination.limits
        self._customers = 0
        self._merged = 0
        self._delivered = 0
        self._anonymous = 0
        self._held = 0
        self._requests = 0
        self._filtered: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._adjusted: Counter[str] = Counter()

    async def ship(self) -> bool:
        """Count the next shipment; False if nothing waits."""
        rehearsed = await self.rehearsal.ship()
        if rehearsed is None:
            return False
        self._count(rehearsed)
        return True

    def _count(self, rehearsed: Rehearsed) -> None:
        settlement, shipment = rehearsed.settlement, rehearsed.shipment
        self._delivered += settlement.delivered
        self._filtered.update(settlement.filtered)
        self._filtered.update(rehearsed.given_up)
        self._held += len(settlement.held) - len(settlement.released) - rehearsed.given_up.total()
        self._failures.update(letter.reason for letter in settlement.failures)
        self._adjusted.update(settlement.adjusted)
        self._requests += len(pack(shipment.operations, self._limits))
        self._customers += created(shipment)
        for effect in shipment.effects:
            self._merged += effect.kind == "merge"
            self._anonymous += effect.kind == "anonymous"

    def view(self) -> ChoiceForecast:
        return ChoiceForecast(
            choice=self.choice.value,
            title=self.choice.title,
            customers=self._customers,
            customers_left=self._customers - self._merged,
            people=self.rehearsal.known,
            delivered=self._delivered,
            anonymous=self._anonymous,
            filtered=dict(self._filtered),
            held=self._held,
            failures=dict(self._failures),
            adjusted=dict(self._adjusted),
            requests=self._requests,
        )


def created(shipment: Shipment) -> int:
    """How many customers come to be by a shipment."""
    before = {one.key for told in shipment.before.values() if told is not None for one in told.customers}
    named = {effect.customer for effect in shipment.effects if effect.kind == "identify" and effect.said_s}
    return len(named - before - {None})
