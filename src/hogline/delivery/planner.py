"""A destination with one connection's options, and with whoever is never to be sent again."""

from __future__ import annotations

from typing import Generic, TypeVar

from hogline.destinations.base import Destination
from hogline.model import Event, Person, Plan
from hogline.posthog.forgetting import names_of
from hogline.store.forgetting import NOBODY, Suppressed

OptionsT = TypeVar("OptionsT")


class DestinationPlanner(Generic[OptionsT]):
    """Implements `shipment.Planner`."""

    def __init__(
        self,
        destination: Destination[OptionsT],
        options: OptionsT,
        suppressed: Suppressed = NOBODY,
    ) -> None:
        self._destination = destination
        self._options = options
        self._suppressed = suppressed

    def plan(self, event: Event, person: Person | None, other: Person | None = None) -> Plan:
        """What an event comes to. Raises what the destination raises: a mistake of ours."""
        if self._suppressed and any(map(self._suppressed, names_of(event))):
            return Plan(person, filtered="suppressed")
        return self._destination.plan(event, person, self._options, other)

    def due(self, person: Person) -> Plan:
        """What is to be done for somebody after a pause."""
        return self._destination.due(person, self._options)
