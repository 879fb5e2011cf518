"""Merging customers at the destination: which ones, once a pause is over, and those that another tool may have made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from hogline.core.draft import Draft, Roster
from hogline.core.items import Effect
from hogline.core.told import Customer, Told
from hogline.destinations.base import People
from hogline.model import Identifier, Operation
from hogline.posthog.identity import is_visitors_uuid


def made_elsewhere(ids: Iterable[str], stays: str, parts: Sequence[Told]) -> tuple[Customer, ...]:
    """Customers that another tool may have made of visitors who are part of `stays` from here on. `parts`: what that
    person was told.

    Only ids as PostHog's SDKs make them for visitors, which nobody can guess. Anyone who read the public token can say
    that some user is theirs. PostHog refuses that for a user it knows, but Hogline may not have met them, and a merge
    cannot be undone.
    """
    known = {one for part in parts for one in (*(each.key for each in part.customers), *part.gone)}
    return tuple(
        Customer("id", one, elsewhere=True)
        for one in dict.fromkeys(ids)
        if one != stays and is_visitors_uuid(one) and Identifier("id", one) not in known
    )


def to_merge(told: Told, *, elsewhere: bool) -> tuple[Told, list[Customer]]:
    """Told without what must not be merged, and the customers to merge into the main one. `elsewhere`: also those that
    another tool may have made, if the main customer has an id: two ids are never one customer already, but an id and
    an email may be."""
    main = told.main
    never = main is not None and not (elsewhere and main.kind == "id")
    if never and any(one.elsewhere for one in told.others):
        told = replace(told, others=tuple(one for one in told.others if not one.elsewhere))
    return told, [one for one in told.others if one.state != "kept"]


def merges(
    draft: Draft, main: Customer, waiting: Sequence[Customer], roster: Roster, people: People[Any]
) -> list[tuple[Operation, Effect]]:
    """Operations that merge these into the main customer, which is accepted. They are marked before."""
    others = tuple(one if one.state == "kept" else replace(one, state="leaving") for one in draft.told.others)
    draft.told = replace(draft.told, others=others)
    keys = {one.key for one in waiting}
    for email in draft.told.emails:
        row = roster.row(email)
        if row is not None and row.person == draft.person and row.customer in keys and row.state != "left":
            roster.keep(draft, email, replace(row, state="leaving"))
    return [
        (
            people.merge(main.identifier, one.identifier),
            Effect(draft.person, main.key, None, "merge", merged=one.key),
        )
        for one in waiting
    ]
