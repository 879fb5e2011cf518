"""Names that an option gives: the one pattern language of all options.

Comma-separated. `*` at the end stands for any rest; `-` before a name leaves it out. If some names stand without `-`,
only those are taken. Where several fit, the longest decides: `*, -$*, $browser` is everything but PostHog's own, and
`$browser`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct


class Names(Struct, frozen=True):
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is left out at all."""
        return bool(self.only or self.never)

    def takes(self, name: str) -> bool:
        return _takes(self, name)

    def spells(self, name: str) -> bool:
        """Whether this name is asked for letter by letter."""
        return name in self.only


ALL = Names()


def names_of(listed: Iterable[str]) -> Names:
    """Of names and patterns without blanks around them."""
    found = sorted(listed)
    return Names(
        tuple(name for name in found if not name.startswith("-")),
        tuple(name[1:].strip() for name in found if name.startswith("-")),
    )


@lru_cache(maxsize=16_384)
def _takes(names: Names, name: str) -> bool:
    """Events of one kind have the same names: most are known."""
    taken, left_out = _closest(names.only, name), _closest(names.never, name)
    if left_out is None:
        return taken is not None or not names.only
    return taken is not None and taken > left_out


def _closest(patterns: tuple[str, ...], name: str) -> int | None:
    """How closely the best of the patterns fits: the name itself fits better than any pattern. None: none fits."""
    if name in patterns:
        return len(name) + 1
    fits = [len(one) - 1 for one in patterns if one.endswith("*") and name.startswith(one[:-1])]
    return max(fits, default=None)
