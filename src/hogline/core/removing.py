"""Events that remove their customer because an option says so: "account deleted"."""

from __future__ import annotations

from typing import Any, Literal

from hogline.core.draft import Draft
from hogline.core.items import Effect, Item, Source
from hogline.destinations.base import People, Rules
from hogline.model import Identifier, Operation
from hogline.posthog.entry import Entry


def removal_of(entry: Entry, rules: Rules) -> Literal["delete", "suppress"] | None:
    """What an event asks for. Anyone could have made up what came with the public token."""
    return None if entry.public else rules.removal(entry.name.strip())


def removals(
    item: Item, entry: Entry, draft: Draft, rules: Rules, people: People[Any]
) -> list[tuple[Operation, Effect]] | None:
    """Operations that remove every customer of a person; None if the event asks for nothing like that. They go without
    anything else for this person, because the operations of one request may take effect in any order.

    A replay removes nobody: what happened once must not happen to someone who came back since. Someone who is not a
    customer may still be suppressed.
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
