"""Everything that a store has, as it is read through its interfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hogline.store.audit import Wanted
from hogline.store.datadir.directory import DataDirectory
from hogline.store.event_log import Query
from hogline.store.opening import Stores, opened
from hogline.store.shared import Shared

MS = 1_793_534_400_000


async def content(stores: Stores) -> dict[str, Any]:
    """Everything, as it is read through the stores' interfaces."""
    journal, state = stores.journal, stores.state
    found: dict[str, Any] = {
        "journal": (journal.first, journal.end, await journal.refused()),
        "runs": (journal.backfilled.stretches, journal.backfilled.taken),
        "tokens": [await state.tokens(kind) for kind in ("private", "public")],
        "folded": state.folded(),
        "connections": await state.connections(),
    }
    after, events = 0, []
    while some := await journal.read(after, 1_000):
        events += some
        after = some[-1][0]
    found["events"] = events
    for connection in found["connections"]:
        id_ = connection.id
        people: list[str] = []
        while more := await state.find_people(id_, "", after=people[-1] if people else "", limit=1_000):
            people += more
        sought = [*range(journal.first, journal.end + 1), 1_000, 5_000, 9_000]
        found[f"connection {id_}"] = {
            "counts": await state.counts(id_),
            "lanes": await state.lanes(id_),
            "again": state.again(id_, 10_000),
            "due": sorted(state.due(id_, 10_000)),
            "before": state.settled_before(id_),
            "people": people,
            "known": state.people(people),
            "ids": state.ids(people),
            "told": state.told(id_, people),
            "held": state.held(id_, people),
            "counted": await state.count_people(id_),
            "log": await stores.events.find(Query(connections=[id_]), 1_000_000),
            "attempts": await stores.events.attempts(id_, sought),
        }
        found[f"trends {id_}"] = [
            await stores.figures.read(id_, since_s=0, until_s=2**33 // 3_600 * 3_600, step_s=step_s)
            for step_s in (60, 3_600)
        ]
    found["log"] = stores.events.taken
    found["audit"] = await stores.audit.oldest(Wanted(), limit=1_000_000)
    return found


async def content_of(folder: Path, key: str, url: str | None = None) -> dict[str, Any]:
    shared = None if url is None else Shared(url=url, lease_s=30)
    with DataDirectory(folder) as directory:
        async with opened(directory, key, lambda: MS, shared) as stores:
            return await content(stores)
