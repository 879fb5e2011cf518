"""Attributes with other names, fixed ones, and the id as an attribute: what is known about a person, as it will be
sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

from hogline.core.known import Fact
from hogline.destinations.base import Mapped

DISTINCT_ID = "distinct_id"


def mapped(facts: Mapping[str, Fact], person: str, mapping: Sequence[Mapped]) -> dict[str, Fact]:
    """A mapped property is only sent under its other names. What does not come from PostHog is older than everything
    else."""
    sources = {one.source for one in mapping}
    names = {one.name for one in mapping}
    found = {name: fact for name, fact in facts.items() if name not in sources and name not in names}
    for one in mapping:
        if not one.source:
            found[one.name] = Fact(one.value, 0, 0)
        elif one.source in facts:
            found[one.name] = facts[one.source]
        elif one.source == DISTINCT_ID:
            found[one.name] = Fact(person, 0, -crc32(person.encode()))
    return found
