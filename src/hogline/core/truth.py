"""What is true about one person once all their operations have an outcome: their customers, and their rows in the
ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from hogline.core.items import Effect
from hogline.core.ledger import LedgerRow, RowState, row_name
from hogline.core.relating import with_objects
from hogline.core.sync import NULL
from hogline.core.told import MOST_GONE, Customer, Told
from hogline.model import Identifier

Answered: TypeAlias = Sequence[tuple[Effect, bool]]
"""Effects, and whether each was accepted."""


class Truth:
    """The ledger's rows after one shipment."""

    def __init__(self, rows: Mapping[str, LedgerRow | None]) -> None:
        self.rows: dict[str, LedgerRow | None] = dict(rows)

    def _put(self, email: str, state: RowState) -> None:
        row = self.rows[email]
        if row is not None:
            self.rows[email] = replace(row, state=state)

    def after(self, told: Told, before: Told | None, answered: Answered, *, uncertain: bool) -> Told:
        """`before`: what is on disk. `uncertain`: a request may have taken effect without a response."""
        removals = [(effect, accepted) for effect, accepted in answered if effect.kind == "remove"]
        if removals:
            return self._removed(told, removals)
        main = told.main
        if main is None or not answered:
            return told
        key, something, doubt = main.key, False, uncertain
        for effect, accepted in answered:
            if effect.kind == "merge":
                told = self._merged(told, effect, accepted=accepted)
                continue
            if effect.customer != key:
                continue
            doubt = doubt or effect.uncertain
            if accepted:
                something = True
                told = self._accepted(told, effect)
            elif effect.kind == "identify":
                told = self._refused(told, before, effect, doubt=doubt)
            elif effect.kind == "group":
                told = _belongs(told, effect)  # they are not asked again
        named = any(effect.customer == key for effect, _ in answered)
        is_new = before is None or before.main is None
        return self._unless_nothing(told, came_to_be=something or doubt or not named or not is_new)

    def _removed(self, told: Told, removals: Answered) -> Told:
        """Without the customers that are gone. Their emails are no one's."""
        gone = {effect.customer for effect, accepted in removals if accepted}
        for email in told.emails:
            row = self.rows.get(email)
            if row is not None and row.customer in gone:
                self.rows[email] = None
        free = {row_name(one) for one in gone if one is not None}.intersection(told.claims)
        self.rows.update(dict.fromkeys(free))
        return replace(
            told,
            claims=tuple(one for one in told.claims if one not in free),
            main=None if told.main is not None and told.main.key in gone else told.main,
            others=tuple(one for one in told.others if one.key not in gone),
            seen=None,
            suppressed=told.suppressed or any(effect.suppresses and accepted for effect, accepted in removals),
        )

    def _unless_nothing(self, told: Told, *, came_to_be: bool) -> Told:
        """Someone who was never accepted is looked at again. If nothing can exist at the destination, they are not a
        customer."""
        main = told.main
        assert main is not None  # it was there before
        if main.state == "accepted":
            return told
        if came_to_be:
            return replace(told, seen=None)
        name = row_name(main.key)
        if main.kind == "email" or name in told.claims:
            self.rows[name] = None
        return replace(told, main=None, seen=None, claims=tuple(one for one in told.claims if one != name))

    def _accepted(self, told: Told, effect: Effect) -> Told:
        main = told.main
        assert main is not None  # the caller has one
        if effect.kind == "group":
            return _belongs(told, effect)
        if effect.kind != "identify":
            return told
        if main.state != "accepted":  # an event may be a repeat, which creates no one
            main = replace(main, state="accepted")
            if main.kind == "email":
                self._put(main.key.value, "accepted")
        if effect.names:
            refused = {name: mark for name, mark in main.refused.items() if name not in effect.names}
            main = replace(main, names={**main.names, **effect.names}, refused=refused)
        if effect.said_s > main.said_s:
            main = replace(main, said_s=effect.said_s)
        if effect.email is not None:
            self._put(effect.email, "accepted")
            main = replace(main, email=effect.email)
        for email in effect.unlinks:
            self._put(email, "left")
            if main.email == email:
                main = replace(main, email=None)
        told = replace(told, main=main)
        return _without_anonymous(_belongs(told, effect) if effect.objects else told, effect)

    def _refused(self, told: Told, before: Told | None, effect: Effect, *, doubt: bool) -> Told:
        main = told.main
        assert main is not None  # the caller has one
        main = replace(main, refused={**main.refused, **effect.names}, said_s=max(main.said_s, effect.said_s))
        if effect.email is not None:
            had = before is not None and before.main is not None and before.main.key == main.key
            linked = had and before is not None and before.main is not None and before.main.email == effect.email
            # What may have worked before stays theirs. Anyone else who took it would be rejected without an
            # explanation.
            if not doubt and not linked:
                self.rows[effect.email] = None
            if main.email == effect.email:
                main = replace(main, email=None)
        for email in effect.unlinks:
            self._put(email, "accepted" if main.email == email and not doubt else "wanted")
        told = replace(told, main=main)
        if effect.anonymous is not None:
            told = replace(told, not_given=tuple(dict.fromkeys((*told.not_given, effect.anonymous))))
        return _without_anonymous(told, effect)

    def _merged(self, told: Told, effect: Effect, *, accepted: bool) -> Told:
        main, merged = told.main, next((one for one in told.others if one.key == effect.merged), None)
        if main is None or merged is None:
            return told
        others = tuple(one for one in told.others if one.key != effect.merged)
        if not accepted:
            kept = () if merged.elsewhere else (replace(merged, state="kept"),)  # there may be none
            return replace(told, others=(*others, *kept), seen=None)
        # Attributes removed from the main customer may have come back with the other one, so they are sent again.
        names = {name: mark for name, mark in main.names.items() if mark.print != NULL}
        for email in told.emails:
            row = self.rows.get(email)
            if row is not None and row.person == effect.person and row.customer == merged.key:
                self._put(email, "left")
        return replace(
            told,
            main=replace(main, names=names, said_s=max(main.said_s, merged.said_s)),
            others=others,
            gone=(*told.gone, merged.key)[-MOST_GONE:],
            seen=None,
        )

    def joined(self, stays: str, goes: str, told: Told, theirs: Told, answered: Answered) -> Told:
        """What was told about two people who are one from now on. Two records of one customer become one: the joined
        person's, overridden by what the other was told here."""
        records: dict[Identifier, Customer] = {one.key: one for one in theirs.customers}
        mine = [
            _over(one, records.pop(one.key), answered, stays) if one.key in records else one for one in told.customers
        ]
        main = mine.pop(0) if told.main is not None else None
        others = (*mine, *records.values())
        for name in (*theirs.emails, *theirs.claims):
            row = self.rows.get(name)
            if row is None:
                continue
            both = name in told.emails  # people who had it one after the other are one person from now on
            self.rows[name] = replace(
                row, person=stays if row.person == goes else row.person, others=max(row.others - both, 0)
            )
        given = {effect.anonymous for effect, _ in answered}  # to the customer of both, or rejected for good
        return replace(
            told,
            main=main,
            others=others,
            anonymous=tuple(one for one in dict.fromkeys((*told.anonymous, *theirs.anonymous)) if one not in given),
            not_given=tuple(dict.fromkeys((*told.not_given, *theirs.not_given))),
            emails=tuple(dict.fromkeys((*told.emails, *theirs.emails))),
            claims=tuple(dict.fromkeys((*told.claims, *theirs.claims))),
            gone=(*told.gone, *theirs.gone)[-MOST_GONE:],
            recent=tuple(sorted((*told.recent, *theirs.recent), key=_position)),
            suppressed=told.suppressed or theirs.suppressed,
            removed=max((one for one in (told.removed, theirs.removed) if one is not None), default=None),
        )


def _position(recent: int | tuple[int, str]) -> int:
    return recent if isinstance(recent, int) else recent[0]


def _belongs(told: Told, effect: Effect) -> Told:
    main = told.main
    assert main is not None  # the caller has one
    return replace(told, main=replace(main, objects=with_objects(main.objects, effect.objects)))


def _without_anonymous(told: Told, effect: Effect) -> Told:
    if effect.anonymous is None:
        return told
    return replace(told, anonymous=tuple(one for one in told.anonymous if one != effect.anonymous))


def _over(mine: Customer, theirs: Customer, answered: Answered, person: str) -> Customer:
    """One customer with two records."""
    told = {
        name: mark
        for effect, accepted in answered
        if accepted and effect.person == person and effect.customer == mine.key
        for name, mark in effect.names.items()
    }
    return replace(
        mine,
        state="accepted" if "accepted" in {mine.state, theirs.state} else mine.state,
        names={**theirs.names, **told},
        refused={**theirs.refused, **mine.refused},
        said_s=max(mine.said_s, theirs.said_s),
        email=mine.email or theirs.email,
        elsewhere=mine.elsewhere and theirs.elsewhere,
    )
