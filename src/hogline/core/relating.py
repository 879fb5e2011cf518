"""Groups that a customer is related to at the destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hogline.core.draft import Draft
from hogline.core.items import Effect, Item
from hogline.core.told import MOST_OBJECTS
from hogline.destinations.base import People
from hogline.model import Operation
from hogline.posthog.entry import Entry

Made = list[tuple[Operation, Effect]]


def related(
    made: Made, decides: Item | None, entry: Entry, draft: Draft, *, people: People[Any], options: object
) -> Made:
    """What a person is told, and also their new groups in this event: in the identify if there is one."""
    main, address = draft.told.main, draft.address
    if b'"$groups"' not in entry.data or main is None or address is None:
        return made
    new = tuple(people.objects(entry, (*main.objects, *draft.objects), options))
    if not new:
        return made
    draft.objects = (*draft.objects, *new)
    if made and made[0][1].said_s:  # not one that only gives an anonymous id
        (identify, effect), *rest = made
        whole = people.belonging(identify, new)
        if whole is not None:
            effect.objects = new
            return [(whole, effect), *rest]
    return [*made, (people.belong(address, new), Effect(draft.person, main.key, decides, "group", objects=new))]


def with_objects(known: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """What a customer is related to now: the last `MOST_OBJECTS`. Of one group, the newer counts."""
    groups = {one.partition("\n")[0] for one in new}
    kept = [one for one in known if one.partition("\n")[0] not in groups]
    return (*kept, *new)[-MOST_OBJECTS:]
