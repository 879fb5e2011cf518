"""Two versions of a small file of JSON that came from the same one, made one. Knows nothing of what the file is for."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

_GONE = object()
"""Of a field or an element that is not there."""


class Merged(NamedTuple):
    content: bytes
    is_lost: bool
    """Both changed the same: of that, theirs counts."""


def merged(base: bytes, mine: bytes, theirs: bytes) -> Merged:
    """What was changed in `mine` since `base`, in `theirs`. Elements of a list are the same if their `name` is. What
    one of both removed is gone, whatever the other changed in it. What is not JSON counts as one value.
    """
    try:
        values = [msgspec.json.decode(one) for one in (base, mine, theirs)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Merged(theirs, is_lost=mine not in {base, theirs})
    merging = _Merging()
    result = merging.value(*values)
    return Merged(msgspec.json.format(msgspec.json.encode(result)), merging.is_lost)


class _Merging:
    def __init__(self) -> None:
        self.is_lost = False

    def value(self, base: Any, mine: Any, theirs: Any) -> Any:  # noqa: ANN401  # JSON
        if mine in (base, theirs):
            return theirs
        if theirs == base:
            return mine
        if mine is _GONE:
            return _GONE
        if (
            theirs is _GONE
            or base is _GONE
            or not (type(mine) is type(theirs) and _is_table(mine) and _is_table(theirs))
        ):
            self.is_lost = True
            return theirs
        before = _by_name(base) if type(base) is type(mine) and _is_table(base) else {}
        parts = self._parts(before, _by_name(mine), _by_name(theirs))
        return parts if isinstance(theirs, dict) else list(parts.values())

    def _parts(self, base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        found = {
            name: self.value(base.get(name, _GONE), mine.get(name, _GONE), theirs.get(name, _GONE))
            for name in theirs | mine
        }
        return {name: value for name, value in found.items() if value is not _GONE}


def _is_table(value: Any) -> bool:  # noqa: ANN401  # as above
    """Has parts with names."""
    if isinstance(value, list):
        names = [one.get("name") for one in value if isinstance(one, dict)]
        return len(names) == len(value) == len({name for name in names if isinstance(name, str)})
    return isinstance(value, dict)


def _by_name(value: Any) -> dict[str, Any]:  # noqa: ANN401  # as above
    return value if isinstance(value, dict) else {one["name"]: one for one in value}
