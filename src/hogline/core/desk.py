"""The desk: one connection's work, one step at a time.

Events come in (`feed`), shipments are planned (`plan`), and their results are settled (`settle`, `settled`). The caller
writes what comes back and sends what has to be sent. It may stop at any time: a new desk, created from what is on disk,
continues.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from hogline.core.again import Resends
from hogline.core.arrivals import Arrivals
from hogline.core.fold import Suppressed
from hogline.core.forward import Forwarded
from hogline.core.intend import intent_of
from hogline.core.items import ELSEWHERE, OVERLOADED, Item, OperationOutcome, Origin
from hogline.core.known import EVER, Known
from hogline.core.lanes import LANES, Lane, Lanes, lane_of
from hogline.core.ledger import LedgerRow
from hogline.core.records import RecordReads, Records
from hogline.core.removing import removal_of
from hogline.core.settle import SettledShipment, Times, settle
from hogline.core.share import Far, Share
from hogline.core.sheets import Portion
from hogline.core.shipment import Shipment
from hogline.core.told import NOBODY
from hogline.destinations.base import Destination, Rules
from hogline.posthog.entry import Entry

MOST_EVENTS = 2_000
"""The maximum in one shipment, even if few of them are sent, because the event loop has other work."""
SPARE_BYTES = 33_000
"""Kept free in a request for what the last event of a shipment may add."""
MOST_HEARD = 500
"""How many events of a lane are looked at when other processes are heard."""
UNSETTLED_MS = 60_000
"""An intent that is not settled by then is due: what it claimed may exist at the destination, and nothing else would
finish it if no more events of this person are sent."""


class Desk:
    def __init__(
        self,
        destination: Destination[Any],
        options: object,
        *,
        connection: int,
        known: Known,
        reads: RecordReads,
        start: int,
        lanes: Mapping[int, int],
        mine: Collection[int] | None = None,
        start_s: int,
        suppressed: Suppressed,
        merge_delay_ms: int = 30_000,
        settled_before: Callable[[int], bool] | None = None,
        elsewhere: Callable[[int, int], Sequence[range]] | None = None,
        failed: Callable[[Entry, Exception], None] | None = None,
    ) -> None:
        """`start`, `lanes`: as on disk. `mine`: the lanes that this process carries, if others carry the rest.
        `start_s`: when the newest event in the journal was received. `settled_before`: whether an older Hogline settled
        the event at a position out of the lanes' order. `elsewhere`: the positions between two that are not for this
        connection. `failed` is called for an internal error about an event.
        """
        self._destination = destination
        self._people = destination.people
        self._options = options
        self.rules = Rules() if destination.people is None else destination.people.rules(options)
        self._connection = connection
        self._known = known
        self._suppressed = suppressed
        self._merge_delay_ms = merge_delay_ms
        self._failed = failed
        self.lanes = Lanes(start, lanes, range(LANES) if mine is None else mine)
        self.share = None if mine is None else Share(mine, self.lanes.read)
        self.records = Records(reads, connection, start_s=start_s)
        self.resends = Resends(known, self.lanes)
        self._arrivals = Arrivals(
            known,
            self.records,
            self.lanes,
            self.share,
            has_people=destination.people is not None,
            settled_before=settled_before,
            elsewhere=elsewhere,
        )
        self._locked: dict[str, Shipment] = {}
        self.flight: list[Shipment] = []

    # in

    def feed(self, entries: Sequence[tuple[int, Entry, int]], portion: Portion | None = None) -> None:
        """See `Arrivals.feed`."""
        self._arrivals.feed(entries, portion)

    # planning

    def plan(self, now_ms: int, most_events: int = MOST_EVENTS) -> Shipment | None:
        """The next shipment; None if nothing may go. Write its `intent` before you send it."""
        make = Shipment if self._people is not None else Forwarded
        shipment = make(
            self._destination,
            self._options,
            self.rules,
            known=self._known,
            records=self.records,
            suppressed=self._suppressed,
            now_ms=now_ms,
        )
        limits = self._destination.limits
        most_bytes = max(limits.request_bytes - SPARE_BYTES, 1)

        def full() -> bool:
            return len(shipment.items) >= most_events or shipment.size_bytes >= most_bytes

        self._take_again(shipment, full)
        for lane in self.lanes.waiting_longest():
            if full():
                break
            if lane.shipment is None:
                self._take_lane(shipment, lane, full)
        for lane in self.lanes.mine:
            if lane.shipment is shipment and lane.out is None and lane.since is None:
                lane.shipment = None
        if not shipment.items:
            return None
        drafts = shipment.roster.drafts
        shipment.before = {name: draft.was for name, draft in drafts.items()}
        shipment.on_disk = dict(shipment.before)
        shipment.changing = {name for name, was in shipment.before.items() if drafts[name].told is not (was or NOBODY)}
        shipment.intent = intent_of(
            shipment,
            self.records.ledger,
            connection=self._connection,
            due_ms=now_ms + UNSETTLED_MS,
            shared=self.share is not None,
        )
        if shipment.intent is not None:
            shipment.on_disk.update(shipment.intent.told)
        self.records.put({name: drafts[name].told for name in shipment.changing})
        self.flight.append(shipment)
        return shipment

    def _take_lane(self, shipment: Shipment, first: Lane, full: Callable[[], bool]) -> None:
        """Take events of a lane in order, as long as they may go; and those of other lanes that one waits for."""
        first.shipment = shipment
        stack, take, lock, add = [(first, EVER)], self.lanes.take, self._lock, self._add
        while stack and not full():
            lane, before = stack[-1]
            if not lane.waiting or (item := lane.waiting[0]).position >= before:
                stack.pop()
                continue
            if item.far:  # other processes' lanes are not that far
                return
            if item.waits and (blocking := self._blocking(shipment, item)) is not None:
                if blocking.shipment is not None and blocking.shipment is not shipment:
                    return
                blocking.shipment = shipment
                stack.append((blocking, item.position))
                continue
            people = item.people
            if (self.rules.removes and self._must_wait(shipment, item, people)) or not lock(shipment, people):
                return
            take(lane)
            add(shipment, item, item.position, people[0])

    def _must_wait(self, shipment: Shipment, item: Item, people: tuple[str, ...]) -> bool:
        """Whether an event deletes its customer, who already has something in this shipment. The operations of one
        request may take effect in any order."""
        if item.entry is None or removal_of(item.entry, self.rules) is None:
            return False
        return any(one in shipment.roster.drafts for one in people)

    def _blocking(self, shipment: Shipment, item: Item) -> Lane | None:
        """A lane that has something earlier that is not in this shipment."""
        for number in item.waits:
            lane = self.lanes.all[number]
            if lane.waiting and lane.waiting[0].position < item.position:
                return lane
            if lane.shipment is not shipment and lane.out is not None and lane.out < item.position:
                return lane
        return None

    def hear(self, far: Mapping[int, Far]) -> None:
        """How far other processes' lanes are. Ids that events take out of those may be free to go now; then what their
        people were told is on disk."""
        share = self.share
        assert share is not None
        share.hear(far)
        free = [
            item
            for lane in self.lanes.mine
            for item in islice(lane.waiting, MOST_HEARD)
            if item.far and share.is_past(item.far)
        ]
        came = {one for item in free for one in item.people if one not in self._locked}
        self.records.lose(came)
        self.records.load(came)
        names = {
            name for told in map(self.records.stored, came) if told is not None for name in (*told.emails, *told.claims)
        }
        ledger = self.records.ledger
        ledger.lose(names.difference(*(one.roster.rows for one in self.flight)))
        ledger.load(names)
        for item in free:
            item.far = ()

    @property
    def waits_for_others(self) -> bool:
        """Whether an event can only go when another process is further."""
        return any(lane.waiting and lane.waiting[0].far for lane in self.lanes.mine)

    def mine(self, people: Sequence[str]) -> list[str]:
        """Those whom this process carries now. What is stored about them is read in few steps."""
        if self.share is not None:
            self._known.load_ids(people)
            people = [one for one in people if self._is_mine(one)]
        self._arrivals.load(people)
        return list(people)

    def _is_mine(self, who: str) -> bool:
        return self.lanes.all[lane_of(self._known.group(who, self.resends.passed(who)[1]))].mine

    def _lock(self, shipment: Shipment, people: tuple[str, ...]) -> bool:
        """These are in this shipment now, and in no other. False if one of them is in another."""
        locked, merging = self._locked, shipment.merging
        if len(people) == 1 and not merging:  # the usual case
            (one,) = people
            holder = locked.get(one)
            if holder is None:
                locked[one] = shipment
                shipment.locked.append(one)
                return True
            return holder is shipment
        for one in people:
            if locked.get(one, shipment) is not shipment or one in merging:
                return False
        for one in people:
            if one not in locked:
                locked[one] = shipment
                shipment.locked.append(one)
        return True

    def _add(self, shipment: Shipment, item: Item, position: int, person: str) -> None:
        try:
            shipment.add(item, position, person)
        except Exception as error:
            # An internal error about one event must not keep all others from being delivered.
            if item.entry is None or self._failed is None:
                raise
            self._failed(item.entry, error)
            item.refusals = (OVERLOADED,)

    def _take_again(self, shipment: Shipment, full: Callable[[], bool]) -> None:
        """What is sent again goes to the person as of the joins that this connection has settled."""
        blocked: set[str] = set()
        for item in self.resends.waiting():
            if full():
                break
            person, at = self.resends.passed(item.who)
            lane = self.lanes.all[lane_of(self._known.group(item.who, at))] if self.share is not None else None
            if lane is not None and not lane.mine:
                if item.entry is None:
                    self.resends.leave(item)
                continue
            busy = (
                person in blocked
                or (lane is not None and lane.shipment not in {None, shipment})
                or (item.origin is Origin.DUE and person in shipment.roster.drafts)
                or self._must_wait(shipment, item, (person,))
            )
            if busy or not self._lock(shipment, (person,)):
                blocked.add(person)
                continue
            self.resends.took(item)
            if lane is not None:  # others learn that it is busy
                lane.shipment = shipment
                lane.since = self.lanes.read if lane.since is None else lane.since
                email = self._known.person(person).email
                if item.origin is Origin.FREED and email is not None:
                    self._reread(email.lower(), shipment)
            gate_at = EVER - 1 if item.entry is not None else self.lanes.read
            item.people = (person,)
            self._add(shipment, item, max(at, gate_at), person)

    def _reread(self, name: str, shipment: Shipment) -> None:
        """Another process may have changed this row of the ledger."""
        if not any(name in one.roster.rows for one in (shipment, *self.flight)):
            self.records.ledger.lose((name,))

    # out

    def give_back(self, shipment: Shipment, rows: Mapping[str, LedgerRow | None]) -> None:
        """Another process was first with an identifier, so nothing of this was written or sent. It is planned again,
        with the ledger's `rows` as they are."""
        self.records.put(shipment.before)
        for name, row in {**shipment.roster.were, **rows}.items():
            self.records.ledger.put(name, row)
        for item in reversed(shipment.items):
            item.person, item.refusals, item.adjusted, item.held = "", (), (), False
            item.filtered = item.filtered if item.filtered == ELSEWHERE else None
            if item.lane >= 0:
                self.lanes.give_back(item)
            elif item.origin is not Origin.HELD:
                self.resends.give_back(item)
        self.lanes.free(shipment)
        self._unlock(shipment)

    def _unlock(self, shipment: Shipment) -> None:
        for name in shipment.locked:
            del self._locked[name]
        self.flight.remove(shipment)

    def settle(
        self,
        shipment: Shipment,
        outcomes: Sequence[OperationOutcome],
        now_ms: int,
        *,
        requests: int = 0,
        retries: Mapping[str, int] | None = None,
    ) -> SettledShipment:
        """What to write when every operation has its outcome. Call `settled` once it is written. From now on, an email
        belongs to the person that this says. Until it is written, another shipment may take an email that this frees,
        and is written after it."""
        settled = settle(
            shipment,
            self._people,
            outcomes,
            connection=self._connection,
            times=Times(now_ms, now_ms + self._merge_delay_ms, self.rules.merges),
            lanes=self.lanes.positions(shipment),
            clear=self.lanes.clear(shipment) if self.share is not None else {},
            requests=requests,
            retries=retries,
            replay_settled=self.resends.ended(shipment.items),
            unwritten=self._known.unwritten,
            shared=self.share is not None,
        )
        for email, row in settled.settlement.ledger.items():
            self.records.ledger.put(email, row)
            shipment.roster.rows.add(email)  # to be remembered until it is on disk
        return settled

    def settled(self, shipment: Shipment, settled: SettledShipment) -> None:
        """It is on disk, so others may go now."""
        settlement = settled.settlement
        records = self.records
        records.put(shipment.on_disk)  # promises that were not kept end here
        records.put(settlement.told)
        records.spoken |= settled.spoken
        self.lanes.settled(settlement.lanes, shipment, (one for one in shipment.items if one.lane >= 0))
        self.resends.settled(shipment.items, settlement.replay_settled)
        self._unlock(shipment)
        records.make_room(self._locked)
        records.ledger.make_room({email for one in self.flight for email in one.roster.rows})
