"""Events that take their customer away, because an option says so: "account deleted"."""

from __future__ import annotations

from typing import Any, Literal

from hogline.core.draft import Draft
from hogline.core.items import Effect, Item, Source
from hogline.destinations.base import People, Rules
from hogline.model import Identifier, Operation
from hogline.posthog.entry import Entry


def removal_of(entry: Entry, rules: Rules) -> Literal["delete", "suppress"] | None:
    """What an event asks for. Anybody can have made up what came with the public token."""
    return None if entry.public else rules.removal(entry.name.strip())


def removals(
    item: Item, entry: Entry, draft: Draft, rules: Rules, people: People[Any]
) -> list[tuple[Operation, Effect]] | None:
    """Operations that take away every customer of a person; None if the event asks for nothing like that. They go
    without anything else of theirs: the operations of one request may take effect in any order.

    A replay takes nobody away: what happened once must not happen to whoever came back since. Who is no customer may be
    suppressed all the same.
    """
    removal = removal_of(entry, rules)
    if removal is None or item.source is Source.REPLAY:
        return None if removal is None else []
    known = [one.identifier for one in draft.told.customers]
    if not known and removal == "suppress":
        known = [Identifier("id", draft.person)]
    suppresses = removal == "suppress"
    return [
        (people.remove(one, removal), Effect(draft.person, one.key, item, "remove", suppresses=suppresses))
        for one in known
    ]
