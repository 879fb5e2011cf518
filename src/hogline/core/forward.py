"""A shipment to a destination without people: each event is sent as it is, and nobody is remembered."""

from __future__ import annotations

from hogline.core.fold import names_suppressed
from hogline.core.items import Effect, Item
from hogline.core.shipment import Shipment


class Forwarded(Shipment):
    def add(self, item: Item, position: int, person: str) -> None:  # noqa: ARG002  # it is for nobody in particular
        entry = item.entry
        self.items.append(item)
        item.person = person
        if entry is None or item.filtered is not None:
            return
        if names_suppressed(entry, self._suppressed):
            item.filtered, item.adjusted = "suppressed", entry.repaired
            return
        made = self._destination.forward(entry, self._options)
        if isinstance(made, str):
            item.filtered, item.adjusted = made, entry.repaired
            return
        item.adjusted = entry.repaired + made.adjusted
        if made.operation is not None:
            self._emit(made.operation, Effect(person, None, item, "event"))
        else:
            assert made.refusal is not None  # one of both
            item.refusals = (made.refusal,)
