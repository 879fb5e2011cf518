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
    """What can be compared for a destination; nothing if you cannot choose who is sent there."""
    return next((option.choices for option in destination_of(destination).options if option.key == WHOM), ())


class Forecast:
    def __init__(self, connection: Connection | None, clock: Clock, *, hold_max_bytes: int) -> None:
        """With the other options of a connection, or the defaults."""
        self._connection = connection
        self._events = 0
        self._uuids = Uuids()
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


class Totals:
    """What shipments of a rehearsal came to."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.customers = 0
        self.merged = 0
        self.delivered = 0
        self.anonymous = 0
        self.held = 0
        self.requests = 0
        self.filtered: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.adjusted: Counter[str] = Counter()

    def count(self, rehearsed: Rehearsed) -> None:
        settlement, shipment = rehearsed.settlement, rehearsed.shipment
        self.delivered += settlement.delivered
        self.filtered.update(settlement.filtered)
        self.filtered.update(rehearsed.given_up)
        self.held += len(settlement.held) - len(settlement.released) - rehearsed.given_up.total()
        self.failures.update(letter.reason for letter in settlement.failures)
        self.adjusted.update(settlement.adjusted)
        self.requests += len(pack(shipment.operations, self._limits))
        self.customers += created(shipment)
        for effect in shipment.effects:
            self.merged += effect.kind == "merge"
            self.anonymous += effect.kind == "anonymous"


class _Forecast:
    """The forecast for one choice."""

    def __init__(self, choice: Choice, connection: Connection, clock: Clock, hold_max_bytes: int) -> None:
        one = installed(structs.replace(connection, options={**connection.options, WHOM: choice.value}))
        self.choice = choice
        self.rehearsal = Rehearsal(one, clock, hold_max_bytes=hold_max_bytes)
        self._totals = Totals(one.destination.limits)

    async def ship(self) -> bool:
        """Count the next shipment; False if nothing waits."""
        rehearsed = await self.rehearsal.ship()
        if rehearsed is None:
            return False
        self._totals.count(rehearsed)
        return True

    def view(self) -> ChoiceForecast:
        totals = self._totals
        return ChoiceForecast(
            choice=self.choice.value,
            title=self.choice.title,
            customers=totals.customers,
            customers_left=totals.customers - totals.merged,
            people=self.rehearsal.known,
            delivered=totals.delivered,
            anonymous=totals.anonymous,
            filtered=dict(totals.filtered),
            held=totals.held,
            failures=dict(totals.failures),
            adjusted=dict(totals.adjusted),
            requests=totals.requests,
        )


def created(shipment: Shipment) -> int:
    """How many customers come to be by a shipment."""
    before = {one.key for told in shipment.before.values() if told is not None for one in told.customers}
    named = {effect.customer for effect in shipment.effects if effect.kind == "identify" and effect.said_s}
    return len(named - before - {None})
