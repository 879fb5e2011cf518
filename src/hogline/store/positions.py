"""How far a connection has come, and how old its oldest pending event is."""

from __future__ import annotations

from hogline.core.lanes import Lanes
from hogline.store.base import Connection, Journal, State


async def settled_position(connection: Connection, state: State) -> int:
    """Every event up to this position is settled, whatever lane it was in."""
    return Lanes(connection.start, await state.lanes(connection.id)).read


async def lag_ms(connection: Connection, journal: Journal, state: State, now_ms: int) -> int:
    """The age of the connection's oldest pending event; 0 if none is pending."""
    received_ms = await journal.received_at(await settled_position(connection, state) + 1)
    return 0 if received_ms is None else max(0, now_ms - received_ms)
