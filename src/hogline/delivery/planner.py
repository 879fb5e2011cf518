"""A destination with one connection's options, and with whoever is never to be sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from hogline.destinations.base import Destination
from hogline.model import Event, Person, Plan
from hogline.store.base import nobody_is

OptionsT = TypeVar("OptionsT")


class DestinationPlanner(Generic[OptionsT]):
    """Implements `shipment.Planner`."""

    def __init__(
        self,
        destination: Destination[OptionsT],
        options: OptionsT,
        is_suppressed: Callable[[str], bool] = nobody_is,
    ) -> None:
        self._destination = destination
        self._options = options
        self._is_suppressed = is_suppressed

    def plan(self, event: Event, person: Person | None, other: Person | None = None) -> Plan:
        """What an event comes to. Raises what the destination raises: a mistake of ours."""
        if self._is_suppressed is not nobody_is:
            if self._names_suppressed(event):
                return Plan(person, filtered="suppressed")
            if other is not None and self._is_suppressed(other.distinct_id):
                other = None
        return self._destination.plan(event, person, self._options, other)

    def due(self, person: Person) -> Plan:
        """What is to be done for somebody after a pause."""
        return self._destination.due(person, self._options)

    def _names_suppressed(self, event: Event) -> bool:
        """Whether an event is of somebody who is never to come back, by their id or an email of theirs."""
        named = (event.distinct_id, event.set.get("email"), event.person_properties.get("email"))
        texts = [one.strip() for one in named if isinstance(one, str)]
        return any(self._is_suppressed(one) or self._is_suppressed(one.lower()) for one in texts)
