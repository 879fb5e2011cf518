"""What has to be on disk before a shipment is sent. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from hogline.core.changes import Intent
from hogline.core.draft import Draft
from hogline.core.ledger import Ledger
from hogline.core.shipment import Shipment
from hogline.core.told import NOBODY, Told


def intent_of(shipment: Shipment, ledger: Ledger, *, connection: int, due_ms: int, shared: bool) -> Intent | None:
    """None: nothing new is named, linked or removed. `shared`: others deliver this connection, too."""
    roster = shipment.roster
    told: dict[str, Told] = {}
    for name in shipment.changing:
        wanted = _intended(roster.drafts[name], shipment.before[name] or NOBODY, due_ms)
        if wanted is not None:
            told[name] = wanted
    rows = {name: ledger.row(name) for name in roster.rows}
    return Intent(connection, told, rows, roster.were if shared else None) if told or rows else None


def _intended(draft: Draft, was: Told, due_ms: int) -> Told | None:
    """What has to be on disk before; None if nothing is new. Nothing counts as told yet."""
    now = draft.told
    if draft.taken:  # the customer of someone who was joined here is theirs until that is settled
        now = replace(now, main=was.main, others=was.others)
    if _structure(now) == _structure(was):
        return None
    main = now.main
    if main is not None:
        same = was.main is not None and was.main.key == main.key
        main = replace(main, refused=was.main.refused if same and was.main is not None else {})
    due_ms = was.due_ms if 0 < was.due_ms < due_ms else due_ms
    return replace(now, has_held=was.has_held, seen=None, main=main, due_ms=due_ms)


def _structure(told: Told) -> object:
    main = (told.main.key, told.main.said_s) if told.main is not None else None
    return main, tuple((one.key, one.state) for one in told.others), told.anonymous, told.emails, told.claims
