"""Arrivals: events come out of the journal, find their lane, and wait there with whom they are about. What is needed to
plan them is read in few steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from hogline.core.fold import other_of
from hogline.core.items import ELSEWHERE, Item, Join, Origin
from hogline.core.known import Known
from hogline.core.lanes import LANES, Lanes, checksum, checksum_of_name, lane_of
from hogline.core.ledger import row_name
from hogline.core.records import Records
from hogline.core.share import Share, Wait
from hogline.core.sheets import Portion
from hogline.model import Identifier
from hogline.posthog.entry import Entry


class Arrivals:
    def __init__(
        self,
        known: Known,
        records: Records,
        lanes: Lanes,
        share: Share | None,
        *,
        has_people: bool,
        settled_before: Callable[[int], bool] | None,
        elsewhere: Callable[[int, int], Sequence[range]] | None,
    ) -> None:
        """`share`: None if no other process delivers this connection. `has_people`: whether the destination does.
        The others as for `Desk`."""
        self._known = known
        self._records = records
        self._lanes = lanes
        self._share = share
        self._has_people = has_people
        self._settled_before = settled_before
        self._elsewhere = elsewhere

    def feed(self, entries: Sequence[tuple[int, Entry, int]], portion: Portion | None = None) -> None:
        """The next events in the journal, all folded: positions, entries, and their sizes in the journal. `portion`:
        only some are there, as it says."""
        known, lanes, share = self._known, self._lanes, self._share
        self._load_ids(entries)
        people: set[str] = set()
        speaking: set[str] = set()
        others: Sequence[range] = ()
        if self._elsewhere is not None and entries:
            others = self._elsewhere(entries[0][0], entries[-1][0])
        for position, entry, size_bytes in entries:
            lanes.read = position
            who = entry.distinct_id
            if not who:  # forgotten, and counted at that time
                continue
            who_checksum = checksum(who)
            if share is None:
                group = who if known.id(who) is None else known.group(who, position)
                lane = who_checksum % LANES if group is who else lane_of(group)
            else:
                lane = self._lane(share, position, who, portion)
                if lane not in share.mine:
                    continue
            item = Item(Origin.JOURNAL, position, who, entry, size_bytes)
            item.name_checksum, item.who_checksum, item.lane = checksum_of_name(entry.name), who_checksum, lane
            if others and any(position in each for each in others):
                item.filtered = ELSEWHERE
            self._join(item, entry, portion)
            if position <= lanes.all[item.lane].settled or (
                self._settled_before is not None and self._settled_before(position)
            ):
                continue
            people.update(item.people)
            if entry.said is not None:
                speaking.update(item.people)
            lanes.add(item)
        if portion is not None and share is not None:
            lanes.read = portion.to
            share.latest.skipped(portion.to)
        self._load(people, speaking)

    def _lane(self, share: Share, position: int, who: str, portion: Portion | None) -> int:
        """An event's lane; what is others' is heard."""
        if portion is not None:
            return portion.lanes[position]
        group = checksum(self._known.group(who, position))
        if group % LANES not in share.mine:
            share.latest.heard(group, position)
        return group % LANES

    def _load_ids(self, entries: Sequence[tuple[int, Entry, int]]) -> None:
        """Read whose events these are; and their people, unless some may be others'."""
        ids = {entry.distinct_id for _, entry, _ in entries}
        if self._share is None:
            self._known.load(ids)
        else:
            self._known.load_ids(ids.union(other for _, entry, _ in entries if (other := other_of(entry)) is not None))

    def _load(self, people: Collection[str], speaking: Collection[str]) -> None:
        """Read what is needed to plan events of these people. `speaking`: those about whom they say something."""
        known = self._known
        if self._share is not None:
            known.load_ids(people)
            known.load_people({*people, *map(known.who, people)})
        self._records.load(people)
        if self._has_people:
            stored = self._records.stored
            names = self._emails(speaking)
            names.update(row_name(Identifier("id", one)) for one in people if stored(one) is None)
            self._records.ledger.load(names)

    def load(self, people: Sequence[str]) -> None:
        """Read what is stored about these people in few steps: they are about to be sent again."""
        self._known.load(people)
        names = {self._known.who(one) for one in people}
        self._records.load(names)
        self._records.ledger.load(self._emails(names))

    def _emails(self, people: Collection[str]) -> set[str]:
        """Those that these people have, and those that their customers had, in lowercase."""
        now = (self._known.person(one).email for one in people)
        told = (self._records.stored(one) for one in people)
        return {one.lower() for one in now if one is not None}.union(*(one.emails for one in told if one is not None))

    def _join(self, item: Item, entry: Entry, portion: Portion | None) -> None:
        """Whom an event is about, and what it waits for."""
        known, at, who = self._known, item.position, item.who
        person = known.who(who, at)
        item.people = (person,)
        other = other_of(entry)
        if other is None:
            return
        mine, theirs, others = known.who(who, at - 1), known.who(other, at - 1), known.who(other, at)
        item.people = tuple(dict.fromkeys((person, mine, theirs, others)))
        refused = others != person
        if mine != theirs:
            item.join = Join(other, mine, theirs, refused)
        if not refused:
            groups = {group % LANES: group for group in (checksum(known.group(one, at - 1)) for one in (who, other))}
            groups.pop(item.lane, None)
            item.waits = tuple(number for number in groups if self._lanes.all[number].mine)
            if self._share is not None:
                latest = self._share.latest
                item.far = tuple(
                    Wait(number, latest.of(group) if portion is None else portion.left.get(at, at - 1), at)
                    for number, group in groups.items()
                    if number not in item.waits
                )
