"""The tables of both stores, side by side: what a row of one is in the other.

A row on its way has the values of PostgreSQL's columns, without those that follow from others (`folded`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

File: TypeAlias = Literal["journal", "state", "history", "audit", "events"]
"""A database of the data directory."""
Row: TypeAlias = tuple[Any, ...]


class Column(NamedTuple):
    name: str
    type: str
    """PostgreSQL's."""
    here: str
    """Its name in the data directory."""
    inverted: bool = False
    """A flag that says the opposite there."""


class Table(NamedTuple):
    name: str
    file: File
    here: str
    columns: tuple[Column, ...]
    key: int
    """So many of the first columns are its key. 0: it has none, and few rows."""
    partitioned: bool = False
    folded: tuple[tuple[str, int], ...] = ()
    """PostgreSQL's columns with a text in comparable case, and the place of that text."""


def _table(
    name: str,
    file: File,
    columns: str,
    *,
    key: int,
    here: str = "",
    partitioned: bool = False,
    folded: tuple[tuple[str, int], ...] = (),
) -> Table:
    """`columns`: each as `name:type`, or `name:type:its name there`; with `!` in front of that, inverted."""
    made = []
    for one in columns.split():
        name_, type_, there = (*one.split(":"), "")[:3]
        made.append(Column(name_, type_, there.removeprefix("!") or name_, there.startswith("!")))
    return Table(name, file, here or name, tuple(made), key, partitioned, folded)


JOURNAL = _table(
    "journal", "journal", "position:int8 received_ms:int8 body:bytea", key=1, here="events", partitioned=True
)
RESULTS = _table(
    "event_results",
    "events",
    "connection:int4 block:int8 outcomes:bytea shipments:bytea",
    key=2,
    here="results",
    partitioned=True,
)
NAMES = _table("event_names", "events", "block:int8 names:bytea", key=1, here="events", partitioned=True)
PEOPLE = _table("event_people", "events", "block:int8 people:bytea", key=1, here="events", partitioned=True)
SHIPMENTS = _table(
    "event_shipments",
    "events",
    "id:int8 connection:int4 began_ms:int8 at_ms:int8 last:int8 others:bytea sent:bytea",
    key=1,
    here="shipments",
)
EARLIER = _table(
    "event_earlier",
    "events",
    "connection:int4 position:int8 shipment:int8 outcome:int4",
    key=3,
    here="earlier",
    partitioned=True,
)
_FIGURES = "at:int8 connection:int4 kind:text reason:text n:int8"

TABLES = (
    JOURNAL,
    _table("refused", "journal", "reason:text events:int8", key=1),
    _table("backfills", "journal", "run:int8 taken:int8", key=1),
    _table("backfilled", "journal", "first:int8 last:int8 run:int8 connection:int4", key=1, partitioned=True),
    _table("tokens", "state", "id:int8 token:bytea kind:text", key=1),
    _table(
        "connections",
        "state",
        "id:int4 name:text destination:text options:bytea paused:bool:!enabled stopped:text start:int8 created_ms:int8"
        " since_ms:int8 workspace:text",
        key=1,
    ),
    _table("lanes", "state", "connection:int4 lane:int2 position:int8", key=2, partitioned=True),
    _table("counters", "state", "connection:int4 kind:text reason:text n:int8", key=3, partitioned=True),
    _table(
        "known",
        "state",
        "id:text email:text known:bytea",
        key=1,
        folded=(("folded", 0), ("folded_email", 1)),
    ),
    _table("ids", "state", "id:text parent:text since:int8 depth:int4 people:bytea", key=1, folded=(("folded", 0),)),
    _table("told", "state", "connection:int4 person:text body:bytea due_ms:int8", key=2, folded=(("folded", 1),)),
    _table(
        "ledger",
        "state",
        "connection:int4 email:text person:text state:int2 kind:int2 value:text others:int8",
        key=2,
    ),
    _table("again", "state", "connection:int4 kind:text person:text", key=3, partitioned=True),
    _table("resending", "state", "connection:int4 people:int8 asked:int8 after:text", key=1),
    _table(
        "held",
        "state",
        "connection:int4 position:int8 distinct_id:text received_ms:int8 event:bytea",
        key=2,
        partitioned=True,
    ),
    _table(
        "failures",
        "state",
        "connection:int4 position:int8 uuid:text reason:text at_ms:int8 retrying:bool event:bytea refusals:bytea",
        key=2,
        here="dead_letters",
        partitioned=True,
    ),
    _table("replays", "state", "connection:int4 settled:int8 last:int8 events:text", key=1, partitioned=True),
    _table("settled_before", "state", "connection:int4 last:int8 positions:bytea", key=1),
    _table("seen", "state", "id:text day:int4", key=1),
    _table("suppressed", "state", "hash:bytea together:int8", key=1),
    _table("forgetting", "state", "distinct_ids:bytea", key=0),
    _table("cleaning", "state", "id:int8 file:text", key=1),
    _table("unlogged", "state", "number:int8 connection:int4 noted:bytea sent:bytea", key=1),
    _table("minutes", "history", _FIGURES, key=4),
    _table("hours", "history", _FIGURES, key=4),
    _table(
        "audit",
        "audit",
        "number:int8 at_ms:int8 who:text kind:text address:text action:text connection:text person:text details:text",
        key=1,
        here="entries",
    ),
    _table("event_outcomes", "events", "id:int4 kind:text reason:text", key=1, here="outcomes"),
    EARLIER,
    NAMES,
    PEOPLE,
    RESULTS,
    SHIPMENTS,
)
