"""A copy from one side to the other, and the proof that both are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from hogline.store.base import Unusable
from hogline.store.copying.sides import Source, Sum, Target, sum_of
from hogline.store.copying.tables import TABLES

Step: TypeAlias = Literal["copying", "checking"]


class Told(NamedTuple):
    """How far a copy is."""

    step: Step
    table: str
    rows: int
    of: int
    """About so many there are."""


class Copied(NamedTuple):
    rows: int
    tables: int
    went_on: bool
    """An interrupted copy was finished."""


def copy(source: Source, target: Target, tell: Callable[[Told], None]) -> Copied:
    """Nobody may change either of them meanwhile. If it ends early for any reason, the next call goes on. Raises
    `Unusable` if both are not equal in the end: then the target is not put in place.
    """
    changes = source.changes()
    went_on = target.begin(changes)
    for table in TABLES:
        number, (key, done) = source.count(table), target.done(table)
        if not table.key and done:
            continue
        while rows := source.read(table, key):
            target.write(table, rows)
            done += len(rows)
            tell(Told("copying", table.name, done, max(number, done)))
            if not table.key:
                break
            key = rows[-1][: table.key]
    target.finish(source.ends(), source.files())
    total = sum(_compared(source, target, tell))
    if source.ends() != target.ends() or source.files() != target.files():
        raise Unusable("The copy is not equal to the original. Run the same command again; if that does not help, "
                       "please report it.")  # fmt: skip
    if source.changes() != changes:
        raise Unusable("The original changed during the copy. Stop whatever uses it, and run the same command again.")
    target.publish()
    return Copied(total, len(TABLES), went_on)


def _compared(source: Source, target: Target, tell: Callable[[Told], None]) -> list[int]:
    """The rows of each table. Raises `Unusable` if they differ."""
    counts = []
    for table in TABLES:
        ours = _last(source, table.name, tell)
        theirs = _last(target, table.name, tell)
        if ours != theirs:
            raise Unusable(
                f"The copy is not equal to the original: {table.name} has {theirs.rows:,} rows in the copy, and "
                f"{ours.rows:,} in the original. Remove the copy, run the same command again, and please report it."
            )
        counts.append(ours.rows)
    return counts


def _last(side: Source, name: str, tell: Callable[[Told], None]) -> Sum:
    total = Sum(0, 0)
    table = next(one for one in TABLES if one.name == name)
    for total in sum_of(side, table):
        tell(Told("checking", name, total.rows, total.rows))
    return total
