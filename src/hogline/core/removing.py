"""Events that remove their customer because an option says so: "account deleted"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec.structs import replace

from hogline.core.draft import Draft
from hogline.core.items import Effect, Item, Origin
from hogline.core.known import Person
from hogline.core.told import Moment, Told
from hogline.destinations.base import People, Rules
from hogline.model import Identifier, Operation
from hogline.posthog.entry import Entry

LATE_MS = 86_400_000
"""An event that took longer than this to arrive is history."""


def removal_of(entry: Entry, rules: Rules) -> Literal["delete", "suppress"] | None:
    """What an event asks for. Anyone could have made up what came with the public token."""
    return None if entry.public else rules.removal(entry.name.strip())


def _is_late(entry: Entry) -> bool:
    return entry.received_ms - entry.time_ms > LATE_MS


def _came_back(entry: Entry, person: Person) -> bool:
    """Whether something newer is known about a person than this event from long ago."""
    return _is_late(entry) and any(fact.ms > entry.time_ms for fact in person.facts.values())


def would_return(item: Item, entry: Entry, parts: Sequence[Told]) -> bool:
    """Whether an event from before someone's deletion would make them a customer again: a retried failure, a replay, or
    an event from long ago."""
    if any(part.main is not None for part in parts):
        return False
    deleted = max((part.removed for part in parts if part.removed is not None), default=None)
    return deleted is not None and (
        item.position < deleted.position or (_is_late(entry) and entry.time_ms < deleted.ms)
    )


def removals(
    item: Item, entry: Entry, draft: Draft, person: Person, *, rules: Rules, people: People[Any]
) -> list[tuple[Operation, Effect]] | None:
    """Operations that remove every customer of a person; None if the event asks for nothing like that. They go without
    anything else for this person, because the operations of one request may take effect in any order.

    What happened once must not happen to someone who came back since: a replay removes nobody, and an event from long
    ago deletes nobody about whom something newer is known. Someone who is not a customer may still be suppressed.
    Notes in the draft when a person was deleted, customer or not: a failure from before may be retried.
    """
    removal = removal_of(entry, rules)
    if removal is None:
        return None
    if item.origin is Origin.REPLAY or (removal == "delete" and _came_back(entry, person)):
        return []
    draft.told = replace(draft.told, removed=Moment(item.position, entry.time_ms))
    told = draft.told.customers
    known = [one.identifier for one in told] if any(not one.elsewhere for one in told) else []
    if not known and removal == "suppress":
        known = [Identifier("id", draft.person)]
    suppresses = removal == "suppress"
    return [
        (people.remove(one, removal), Effect(draft.person, one.key, item, "remove", suppresses=suppresses))
        for one in known
    ]
