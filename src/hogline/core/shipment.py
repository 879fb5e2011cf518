"""A shipment: items of some lanes, planned together, on their way to the destination. Pure, except for reading records.

Each item is planned as if everything before it was accepted. What really was is known at the end, and only that is
settled (`settle`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from hogline.core.changes import Intent
from hogline.core.draft import Draft, Roster
from hogline.core.fold import Suppressed, names_suppressed, never_sent
from hogline.core.gate import is_visitor, kept_away, not_qualified, says_something
from hogline.core.hints import hints
from hogline.core.items import Effect, Item, Join, Origin, without_lessons
from hogline.core.known import Known, Person
from hogline.core.merging import made_elsewhere, merges, to_merge
from hogline.core.records import Records
from hogline.core.relating import related
from hogline.core.removing import removals
from hogline.core.sync import Sync
from hogline.core.told import Told
from hogline.destinations.base import Destination, People, Rules
from hogline.model import Operation
from hogline.posthog.entry import Entry, decode_entry


class Shipment:
    def __init__(
        self,
        destination: Destination[Any],
        options: object,
        rules: Rules,
        *,
        known: Known,
        records: Records,
        suppressed: Suppressed,
        now_ms: int,
    ) -> None:
        self._destination = destination
        self._options = options
        self._rules = rules
        self._known = known
        self._records = records
        self._suppressed = suppressed
        self._suppresses = bool(suppressed)
        self.roster = Roster(records, rules)
        self._now_ms = now_ms
        self.items: list[Item] = []
        """In the order of planning: held events come before the event that releases them."""
        self.operations: list[Operation] = []
        self.effects: list[Effect] = []
        self.size_bytes = 0
        self.holds: dict[int, tuple[str, Entry]] = {}
        """Events to hold, by position, and whose they are."""
        self.released: set[int] = set()
        """Positions of held events that go with this shipment."""
        self._ready: dict[str, Draft] = {}
        """People whose next event is sent without another look."""
        self._sent: set[str] = set()
        """Names of events that are sent."""
        self.merging: set[str] = set()
        """People with a merge here: nothing else of theirs goes along."""
        self.locked: list[str] = []
        """People who are in no other shipment in the meantime."""
        self.before: dict[str, Told | None] = {}
        """What was on disk for its people when it was planned."""
        self.changing: set[str] = set()
        """People who will have been told something else if everything is accepted."""
        self.intent: Intent | None = None
        """What has to be on disk before it is sent; None: nothing new is named, linked or removed."""
        self.on_disk: dict[str, Told | None] = {}
        """What is on disk for its people once the intent is."""
        self.uncertain = False
        """A request may have taken effect although no response came, so a refusal proves nothing."""

    def whose(self) -> list[str]:
        """Whose each operation is. People who were joined here are one."""
        root = self.roster.root
        return [root(effect.person) for effect in self.effects]

    def doubt(self) -> None:
        """One of its requests is sent again and may already have taken effect."""
        self.uncertain = True

    @cached_property
    def _people(self) -> People[Any]:
        people = self._destination.people
        assert people is not None  # shipments of a forwarder are `Forwarded`
        return people

    @cached_property
    def _sync(self) -> Sync:
        return Sync(
            self.roster, self._known, self._people, self._options, suppressed=self._suppressed, now_ms=self._now_ms
        )

    # what goes out

    def _emit(self, operation: Operation, effect: Effect) -> None:
        self.operations.append(operation)
        self.effects.append(effect)
        self.size_bytes += len(operation.body) + 1

    def _emit_all(self, made: Sequence[tuple[Operation, Effect]]) -> None:
        for operation, effect in made:
            self._emit(operation, effect)

    # one item

    def add(self, item: Item, position: int, person: str) -> None:
        """Add the next item. `position`: as of which the person is seen; `person`: who that is."""
        self.items.append(item)
        item.person = person
        entry = item.entry
        if entry is None:
            self._add_without_event(item, person, position)
            return
        plain = entry.said is None and not item.again and item.filtered is None
        if plain and entry.name in self._sent and not self._is_suppressed(entry):
            draft = self._ready.get(person) or self._quiet(person, position)
            if draft is not None:
                # Nothing new is known about them, and events with this name are sent: the usual case.
                item.adjusted = entry.repaired
                self._write(item, entry, draft)
                draft.recent.append(item.position)
                return
        if (never := never_sent(entry)) is not None:
            item.filtered, item.adjusted = never, entry.repaired
            return
        draft = self.roster.draft(person)
        adjusted = list(entry.repaired)
        if item.join is not None:
            self._join(item, entry, item.join, draft, adjusted)
        if self._is_suppressed(entry):
            item.filtered = "suppressed"
        elif item.filtered is None:
            self._plan(item, entry, draft, position, adjusted)
        adjusted += hints(item.position, entry, self._known.person(draft.person), self._rules)
        item.adjusted = tuple(adjusted)
        reason = item.refusals[0].reason if item.refusals else item.filtered
        draft.recent.append((item.position, reason) if reason else item.position)

    def _is_suppressed(self, entry: Entry) -> bool:
        return self._suppresses and names_suppressed(entry, self._suppressed, self._rules.learning.email_property)

    def _quiet(self, person: str, position: int) -> Draft | None:
        """Someone new in this shipment who is a customer, has been told everything, and whose events are sent; None for
        anyone else."""
        draft = self.roster.draft(person)
        if draft.synced or draft.told.has_held:
            return None
        known = self._known.person(person)
        if not_qualified(known, position, self._rules) is not None or not self._sync.is_quiet(draft, known):
            return None
        self._ready[person] = draft
        return draft

    def _join(self, item: Item, entry: Entry, join: Join, draft: Draft, adjusted: list[str]) -> None:
        """Record that two people are one from here on. What they were told becomes one when this is settled."""
        if join.refused:
            adjusted.append("join_refused")
            return
        mine, theirs = join.mine, join.theirs
        person, absorbed = self._known.person(mine), self._known.person(theirs)
        if absorbed.protected and person.protected and entry.name == "$merge_dangerously":
            adjusted.append("merged_dangerously")
        goes = theirs if mine == draft.person else mine
        self._ready.clear()
        gone = self.roster.draft(goes)
        self.roster.join(draft.person, goes)
        if gone.told.has_held and not draft.told.has_held:
            draft.told = replace(draft.told, has_held=True)
        if self._rules.merge_people == "all":
            ids = (entry.distinct_id, join.other, mine, theirs)
            new = made_elsewhere(ids, draft.person, self.roster.parts(draft))
            draft.told = replace(draft.told, others=(*draft.told.others, *new)) if new else draft.told
        if draft.synced and gone.told.anonymous:
            self._emit_all(self._sync.adopt(draft, item, list(gone.told.anonymous)))

    def _plan(self, item: Item, entry: Entry, draft: Draft, position: int, adjusted: list[str]) -> None:
        rules, people = self._rules, self._people
        person = self._known.person(draft.person)
        if self._is_apart(item, entry, draft, person):
            return
        if entry.name == "$groupidentify" and rules.has_groups and self._group(item, entry, adjusted):
            return
        is_customer = self._is_customer(draft)
        name = entry.name.strip()
        unmet = not_qualified(person, position, rules)
        retried = item.origin is Origin.RETRY  # it was already decided when it arrived
        rule = None if retried and is_customer else unmet
        listed = retried or rules.events.takes(name)
        applied = name in people.applied and not rules.events.spells(name)
        filtered = rule if listed else "not_in_allowlist"
        if item.again and draft.told.main is not None:
            self._free(item, draft)
        if unmet is None and draft.told.has_held:
            is_customer = self._release(draft, position, is_customer=is_customer)
        if not is_customer and is_visitor(person, position, rules):
            if filtered is None and not applied:
                self._send_anonymous(item, entry, draft, adjusted)
            else:
                item.filtered = filtered or "nothing_to_send"
            return
        if filtered is None and not applied:
            self._send(item, entry, draft, adjusted)
            return
        makes = filtered is None and name != "$groupidentify"  # the sender may not be a person at all
        knows = is_customer or (makes and (bool(person.facts) or person.email is not None))
        if knows:
            self._tell(item if filtered is None else None, item, draft, adjusted)
        said = entry.said
        if (
            filtered is not None
            and filtered == rule
            and not applied
            and rules.hold_days
            and item.origin is Origin.JOURNAL
        ):
            item.held = True
            self.holds[item.position] = (draft.person, entry)
            draft.told = replace(draft.told, has_held=True)
        says = said is not None and says_something(said, rules)
        item.filtered = filtered if filtered is not None or (knows and says) else "nothing_to_send"

    def _is_apart(self, item: Item, entry: Entry, draft: Draft, person: Person) -> bool:
        """Whether nothing is sent for an event, even if its person qualifies, or only what removes its customer."""
        item.filtered = kept_away(item, entry, person, self.roster.parts(draft), self._rules)
        if item.filtered is not None:
            return True
        if not self._rules.removes:
            return False
        made = removals(item, entry, draft, person, rules=self._rules, people=self._people)
        if made is None:
            return False
        self._emit_all(made)
        self.merging.add(draft.person)
        item.filtered = None if made else "nothing_to_send"
        return True

    def _is_customer(self, draft: Draft) -> bool:
        """Whether they are one by now, or someone who was merged into them here is."""
        drafts = (self.roster.drafts[name] for name in self.roster.names(draft))
        return any(one.told.is_customer or (one.synced and one.told.main is not None) for one in drafts)

    def _free(self, item: Item, draft: Draft) -> None:
        """Someone wants this person's rejected values to be tried again."""
        main = draft.told.main
        assert main is not None  # the caller has checked
        refused = {name: mark for name, mark in main.refused.items() if name not in item.again}
        draft.told = replace(draft.told.giving_again(), seen=None, main=replace(main, refused=refused, objects=()))

    def _tell(self, decides: Item | None, item: Item, draft: Draft, adjusted: list[str]) -> None:
        """Everything the person is told by now; `decides`: whose result a refusal decides."""
        made = self._sync.sync(draft, item, adjusted)
        for _, effect in made:
            effect.item = decides
        if self._rules.has_groups and item.entry is not None and draft.address is not None:
            made = related(made, decides, item.entry, draft, people=self._people, options=self._options)
        self._emit_all(made)

    def _group(self, item: Item, entry: Entry, adjusted: list[str]) -> bool:
        """An event about a group; False if it leads to nothing and is treated like any other."""
        plan = self._people.group(entry, self._options)
        adjusted.extend(plan.adjusted)
        item.refusals += plan.refusals
        for operation in plan.operations:
            self._emit(operation, Effect("", None, item, "group"))
        return bool(plan.operations or plan.refusals)

    def _send(self, item: Item, entry: Entry, draft: Draft, adjusted: list[str]) -> None:
        """The event, as its customer's."""
        if not draft.synced or self._rules.has_groups:
            self._tell(item, item, draft, adjusted)
        if draft.address is None:
            item.refusals += (draft.nobody,)
            return
        item.adjusted = ()
        self._write(item, entry, draft)
        adjusted.extend(item.adjusted)
        rules = self._rules
        plain = not (rules.has_groups or rules.ignores or rules.removal(entry.name.strip()))
        if plain and item.origin is Origin.JOURNAL:
            self._ready[draft.person] = draft
            self._sent.add(entry.name)

    def _write(self, item: Item, entry: Entry, draft: Draft) -> None:
        address, key = draft.address, draft.key
        assert address is not None  # the caller has checked
        written = self._people.event(draft.head, address, entry, draft.email, self._options)
        if not isinstance(written, Operation):
            item.adjusted += written.adjusted
            if written.operation is None:
                assert written.refusal is not None  # one of both
                item.refusals += (written.refusal,)
                return
            written = written.operation
        self.operations.append(written)
        self.effects.append(Effect(draft.person, key, item, "event"))
        self.size_bytes += len(written.body) + 1

    def _send_anonymous(self, item: Item, entry: Entry, draft: Draft, adjusted: list[str]) -> None:
        written = self._people.anonymous_event(entry, self._options)
        adjusted.extend(written.adjusted)
        if written.operation is None:
            assert written.refusal is not None  # one of both
            item.refusals += (written.refusal,)
            return
        anonymous_id = entry.distinct_id
        if anonymous_id not in draft.told.anonymous:
            draft.told = replace(draft.told, anonymous=(*draft.told.anonymous, anonymous_id))
        self._emit(written.operation, Effect(draft.person, None, item, "anonymous", anonymous=anonymous_id))

    # held events

    def _release(self, draft: Draft, position: int, *, is_customer: bool) -> bool:
        """Send everything held for the person, in order. Returns whether they are a customer by then."""
        for held in self._held(draft):
            self.released.add(held.position)
            self.items.insert(len(self.items) - 1, held)
            entry = held.entry
            assert entry is not None  # only events are held
            held.person = draft.person
            adjusted: list[str] = []
            person = self._known.person(draft.person)
            if not is_customer and not draft.synced and is_visitor(person, position, self._rules):
                self._send_anonymous(held, entry, draft, adjusted)
            else:
                self._send(held, entry, draft, adjusted)
            held.adjusted = tuple(adjusted)
            draft.recent.append((held.position, held.refusals[0].reason) if held.refusals else held.position)
            is_customer = is_customer or draft.synced
        draft.told = replace(draft.told, has_held=False)
        return is_customer

    def _held(self, draft: Draft) -> list[Item]:
        names = self.roster.names(draft)
        found = [
            Item(Origin.HELD, one.position, (entry := decode_entry(one.event)).distinct_id, entry)
            for one in self._records.held(names)
        ]
        found += [
            Item(Origin.HELD, position, entry.distinct_id, without_lessons(entry))
            for position, (person, entry) in self.holds.items()
            if person in names
        ]
        found = [one for one in found if one.position not in self.released]
        return sorted(found, key=lambda one: one.position)

    # what is no event

    def _add_without_event(self, item: Item, person: str, position: int) -> None:
        draft, adjusted = self.roster.draft(person), list[str]()
        told = draft.told
        match item.origin:
            case Origin.RELEASE if told.has_held and not told.suppressed:
                if not_qualified(self._known.person(person), position, self._rules) is None:
                    self._release(draft, position, is_customer=told.is_customer)
            case Origin.AGAIN if told.main is not None and not told.suppressed:
                # With the present time, so that it wins over what others changed there since.
                said_s = max(told.main.said_s, self._now_ms // 1_000 - 1)
                main = replace(told.main, state="wanted", email=None, names={}, refused={}, objects=(), said_s=said_s)
                draft.told = replace(told.giving_again(), seen=None, main=main)
                self._emit_all(self._sync.sync(draft, None, adjusted))
            case Origin.FREED if told.main is not None and not told.suppressed:
                self._emit_all(self._sync.sync(draft, None, adjusted))
            case Origin.DUE:
                self._due(draft, adjusted)
            case _:
                pass
        item.adjusted = tuple(adjusted)

    def _due(self, draft: Draft, adjusted: list[str]) -> None:
        told = draft.told
        if told.due_ms > self._now_ms:
            return  # something newer restarted the pause
        draft.told, waiting = to_merge(told, elsewhere=self._rules.merge_people == "all")
        main = draft.told.main
        if main is None or main.state != "accepted" or not (waiting and self._rules.merges):
            if main is not None:
                self._emit_all(self._sync.sync(draft, None, adjusted))
            return
        self.merging.add(draft.person)  # nothing else of theirs goes along
        self._emit_all(merges(draft, main, waiting, self.roster, self._people))
