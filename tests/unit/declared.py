"""Whether every reason that was counted is declared: `hogline.reasons`, or the destination's own."""

from __future__ import annotations

from hogline.destinations.catalogue import DESTINATIONS
from hogline.reasons import ADJUSTED, FILTERED, NAMING, REJECTED
from hogline.store.base import Journal, State

OF_DESTINATIONS = {reason for each in DESTINATIONS.values() for reason in each.reasons}


async def assert_declared(journal: Journal, state: State) -> None:
    """Benches ask at their end, so whatever a test makes happen is checked."""
    assert (await journal.refused()).keys() <= REJECTED.keys()
    for connection in await state.connections():
        counts = await state.counts(connection.id)
        assert counts.filtered.keys() <= FILTERED.keys() | OF_DESTINATIONS
        adjusted = {reason for reason in counts.adjusted if not reason.startswith(NAMING)}
        assert adjusted <= ADJUSTED.keys() | OF_DESTINATIONS
