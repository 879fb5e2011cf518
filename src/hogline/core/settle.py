"""The settlement of a shipment: the results for its events and people once every operation has its outcome. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hogline.core.changes import MOST_FREED, Failure, HeldEvent, Settlement
from hogline.core.draft import Draft, bounded
from hogline.core.items import Effect, Item, OperationOutcome, Origin, without_lessons
from hogline.core.ledger import LedgerRow, is_email, is_free
from hogline.core.shipment import Shipment
from hogline.core.told import MOST_RECENT, NOBODY, WAITS_MS, Customer, Told
from hogline.core.truth import Truth
from hogline.destinations.base import People
from hogline.model import Operation, Refusal
from hogline.posthog.entry import Entry

_pack = msgspec.msgpack.Encoder().encode


class Outcome(Struct, frozen=True, gc=False):
    """The result for one event."""

    position: int
    kind: Literal["delivered", "filtered", "held", "failed"]
    reason: str
    """For filtered and held events the rule; for failures why the first operation was rejected; otherwise empty."""
    adjusted: tuple[str, ...] = ()
    """What was shortened, left out or renamed in it, as reasons to count by."""


class SettledShipment(NamedTuple):
    settlement: Settlement
    outcomes: list[Outcome]
    spoken: set[str]
    """People for whom an identify was accepted."""


class Times(NamedTuple):
    now_ms: int
    due_ms: int
    """When a pause that starts now is over."""
    merges: bool
    """Whether customers are merged at all."""


def answered(
    shipment: Shipment, people: People[Any] | None, outcomes: Sequence[OperationOutcome]
) -> Iterator[tuple[Operation, Effect, Refusal | None]]:
    """The operations as they were sent in the end, with the effect and outcome of each."""
    for operation, effect, outcome in zip(shipment.operations, shipment.effects, outcomes, strict=True):
        if isinstance(outcome, tuple):
            assert people is not None  # only an identify is divided
            for part, refusal in outcome:
                yield part, effect.of(set(people.names(part))), refusal
        else:
            yield operation, effect, outcome


def settle(
    shipment: Shipment,
    people: People[Any] | None,
    outcomes: Sequence[OperationOutcome],
    *,
    connection: int,
    times: Times,
    lanes: Mapping[int, int],
    clear: Mapping[int, int],
    requests: int = 0,
    retries: Mapping[str, int] | None = None,
    replay_settled: int | None = None,
    unwritten: Callable[[Collection[str]], list[str]],
    shared: bool = False,
) -> SettledShipment:
    """`shared`: others deliver this connection, too."""
    refusals: dict[int, list[Refusal]] = {}
    effects: dict[str, list[tuple[Effect, bool]]] = {}
    adjusted: Counter[str] = Counter()
    spoken = set()
    changing = shipment.changing
    for operation, effect, refusal in answered(shipment, people, outcomes):
        if effect.kind == "event" and effect.person not in changing:
            if refusal is None:
                continue  # the usual case: it changes nothing
        elif effect.customer is not None:
            effects.setdefault(effect.person, []).append((effect, refusal is None))
        if refusal is None:
            if effect.kind == "identify" and effect.said_s:
                spoken.add(effect.person)
        elif effect.item is None:
            adjusted[f"{operation.action}_refused"] += 1
        else:
            kept = Refusal(refusal.reason, refusal.message, refusal.field, operation.body)
            refusals.setdefault(id(effect.item), []).append(kept)
    counted = _Counted(shipment, times.now_ms, adjusted)
    for item in shipment.items:
        counted.count(item, (*item.refusals, *refusals.get(id(item), ())) if refusals else item.refusals)
    asides = [item for item in shipment.items if item.entry is None]
    told, rows, freed = _truth(shipment, effects, times, {item.person for item in asides if item.origin is Origin.DUE})
    settlement = Settlement(
        connection=connection,
        lanes=lanes,
        clear=clear,
        told=told,
        ledger=rows,
        delivered=counted.delivered,
        filtered=counted.filtered,
        adjusted=counted.adjusted,
        failures=counted.letters,
        resolved=counted.resolved,
        requests=requests,
        retries=retries or {},
        replayed=counted.replayed,
        replay_settled=replay_settled,
        held=counted.held,
        released=sorted(shipment.released - shipment.holds.keys()),
        absorbed={goes: shipment.roster.root(stays) for stays, goes in shipment.roster.joins},
        freed=freed,
        unwritten=unwritten(freed)[:MOST_FREED] if freed else (),
        denied=shipment.roster.denied,
        expected={name: shipment.roster.records.ledger.row(name) for name in rows} if shared else None,
        again_done=[(item.origin.value, item.who) for item in asides if item.origin is not Origin.DUE],
    )
    return SettledShipment(settlement, counted.outcomes, spoken)


def _truth(
    shipment: Shipment, effects: Mapping[str, list[tuple[Effect, bool]]], times: Times, due: set[str]
) -> tuple[dict[str, Told | None], dict[str, LedgerRow | None], list[str]]:
    """What people were told, and whose the emails are: only what changed; and emails that another may have now."""
    roster, before = shipment.roster, shipment.before
    touched = shipment.changing.union(effects, due, *roster.joins)
    if not touched:
        return {}, {}, []
    # Who was joined into someone here comes first: a customer of theirs, and its email, may have been said more since.
    order = dict.fromkeys((*(goes for _, goes in roster.joins), *roster.drafts))
    drafts = {name: roster.drafts[name] for name in order if name in touched}
    ledger = roster.records.ledger
    names = roster.rows | {one for draft in drafts.values() for one in (*draft.told.emails, *draft.told.claims)}
    rows = {name: ledger.row(name) for name in names}
    truth = Truth(rows)
    told: dict[str, Told | None] = {
        name: truth.after(draft.told, before.get(name), effects.get(name, ()), uncertain=shipment.uncertain)
        for name, draft in drafts.items()
    }
    for stays, goes in roster.joins:
        mine, theirs = told[stays], told[goes]
        assert mine is not None  # someone who stays was not absorbed before
        assert theirs is not None  # and nobody is absorbed twice
        told[stays] = truth.joined(stays, goes, mine, theirs, effects.get(stays, ()))
        told[goes] = None
    changed: dict[str, Told | None] = {}
    for name, draft in drafts.items():
        after, was = told[name], shipment.on_disk.get(name)
        if after is not None:
            known = was.others if was is not None else ()
            after = _with_due(after, known, effects.get(name, ()), times, was_due=name in due)
            after = _finished(after, draft, was, truth.rows)
        if after is not was:
            changed[name] = after
    new = {name: row for name, row in truth.rows.items() if name in roster.rows or row != rows[name]}
    freed = [name for name, row in new.items() if is_email(name) and is_free(row) and not is_free(rows[name])]
    return changed, new, freed


def _finished(told: Told, draft: Draft, on_disk: Told | None, rows: Mapping[str, LedgerRow | None]) -> Told | None:
    """As it is written. Recent events are written along with other changes, but do not cause a write."""
    if told == (on_disk or NOBODY):
        return on_disk
    if told == NOBODY:
        return None
    recent = (*told.recent, *draft.recent)[-MOST_RECENT:] if draft.recent or told.recent else ()
    return replace(told, recent=recent, emails=bounded(told.emails, rows))


def _with_due(
    told: Told, known: Sequence[Customer], effects: Sequence[tuple[Effect, bool]], times: Times, *, was_due: bool
) -> Told:
    """When delayed work for them is due. `known`: the customers that were already waiting to be merged; a new one
    restarts the pause."""
    if not (effects or was_due or told.others or told.anonymous):
        return told
    due_ms = 0 if was_due and told.due_ms <= times.now_ms else told.due_ms
    main = told.main
    if main is not None:
        accepted = main.state == "accepted"
        waiting = [one for one in told.others if one.state != "kept"]
        new = {one.key for one in waiting} - {one.key for one in known}
        if waiting and accepted and (new or not due_ms):
            due_ms = times.due_ms if times.merges else WAITS_MS
        elif accepted and not waiting:
            due_ms = 0  # a promise of an intent that was not settled ends here
        merged = any(effect.kind == "merge" for effect, _ in effects)
        if merged:
            due_ms = times.now_ms
        unproven = not accepted and any(ok for _, ok in effects)
        if (told.anonymous and accepted) or unproven:
            due_ms = due_ms if 0 < due_ms < WAITS_MS else times.now_ms
    return told if due_ms == told.due_ms else replace(told, due_ms=due_ms)


class _Counted:
    """Counts a settlement's results. Each event is counted once: a replayed one was counted when it arrived and is only
    noted, one that is held or released here is counted when it goes."""

    def __init__(self, shipment: Shipment, now_ms: int, adjusted: Counter[str]) -> None:
        self._shipment = shipment
        self._now_ms = now_ms
        self.adjusted = adjusted
        self.delivered = 0
        self.filtered: Counter[str] = Counter()
        self.replayed: Counter[str] = Counter()
        self.letters: list[Failure] = []
        self.resolved: list[int] = []
        self.held: list[HeldEvent] = []
        self.outcomes: list[Outcome] = []

    def count(self, item: Item, refusals: tuple[Refusal, ...]) -> None:
        origin, entry, position = item.origin, item.entry, item.position
        if origin is Origin.JOURNAL and not refusals and item.filtered is None:  # the usual case
            self.delivered += 1
            self.outcomes.append(Outcome(position, "delivered", "", item.adjusted))
            if item.adjusted:
                self.adjusted.update(item.adjusted)
            return
        if entry is None:
            self.adjusted.update(item.adjusted)
            return
        if origin is Origin.REPLAY:
            self.replayed[refusals[0].reason if refusals else item.filtered or "delivered"] += 1
            return
        if origin is not Origin.RETRY:
            self.adjusted.update(item.adjusted)
        elif not refusals:
            self.resolved.append(position)
        if not item.held:
            self._count_outcome(item, entry, refusals)
        elif position not in self._shipment.released:
            self._hold(item, entry)

    def _count_outcome(self, item: Item, entry: Entry, refusals: tuple[Refusal, ...]) -> None:
        position = item.position
        if refusals:
            item.refusals = refusals
            event = _pack(entry)
            self.letters.append(
                Failure(position=position, uuid=entry.uuid, event=event, refusals=refusals, at_ms=self._now_ms)
            )
            self._tell(item, "failed", refusals[0].reason)
        elif item.filtered is not None:
            self.filtered[item.filtered] += 1
            self._tell(item, "filtered", item.filtered)
        else:
            self.delivered += 1
            self._tell(item, "delivered", "")

    def _hold(self, item: Item, entry: Entry) -> None:
        self.held.append(
            HeldEvent(
                position=item.position,
                distinct_id=self._shipment.roster.root(item.person),
                received_ms=entry.received_ms,
                event=_pack(without_lessons(entry)),
            )
        )
        self._tell(item, "held", item.filtered or "")

    def _tell(self, item: Item, kind: Literal["delivered", "filtered", "held", "failed"], reason: str) -> None:
        # A held event was already reported when it was held.
        if item.origin is not Origin.HELD or item.position in self._shipment.holds:
            self.outcomes.append(Outcome(item.position, kind, reason, item.adjusted))
