"""Names in options: one pattern language for all of them.

Comma-separated. `*` at the end matches anything; `-` before a name leaves it out. If there are names without `-`, only
those are taken. If several match, the longest decides: `*, -$*, $browser` is everything except PostHog's own names, but
with `$browser`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct


class Names(Struct, frozen=True):
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return bool(self.only or self.never)

    def takes(self, name: str) -> bool:
        return _takes(self, name)

    def spells(self, name: str) -> bool:
        """Whether exactly this name is listed."""
        return name in self.only


ALL = Names()


def names_of(listed: Iterable[str]) -> Names:
    """From names and patterns without surrounding blanks."""
    found = sorted(listed)
    return Names(
        tuple(name for name in found if not name.startswith("-")),
        tuple(name[1:].strip() for name in found if name.startswith("-")),
    )


@lru_cache(maxsize=16_384)
def _takes(names: Names, name: str) -> bool:
    """Events with the same name have the same properties, so most names are already known."""
    taken, left_out = _closest(names.only, name), _closest(names.never, name)
    if left_out is None:
        return taken is not None or not names.only
    return taken is not None and taken > left_out


def _closest(patterns: tuple[str, ...], name: str) -> int | None:
    """How well the best pattern matches; the name itself matches best. None: none does."""
    if name in patterns:
        return len(name) + 1
    fits = [len(one) - 1 for one in patterns if one.endswith("*") and name.startswith(one[:-1])]
    return max(fits, default=None)
