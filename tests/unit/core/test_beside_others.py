"""A desk whose connection other processes deliver, too: what is on disk may be theirs."""

from __future__ import annotations

from typing import Any

from desk_bench import Life, event

from hogline.core.items import Item, Origin
from hogline.core.lanes import LANES, lane_of
from hogline.core.ledger import LedgerRow
from hogline.core.share import Far
from hogline.core.told import Customer, Told
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Identifier

A = "ada@example.com"
EVERYTHING = {number: Far(1_000, 1_000) for number in range(LANES)}


def beside(*theirs: str) -> Life:
    """These are in lanes of another process."""
    mine = set(range(LANES)) - {lane_of(one) for one in theirs}
    return Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "site", "api_key": "key"}), mine=mine)


def identify(who: str, visitor: str, **values: Any) -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": visitor}, set=values)


def test_whose_an_email_is_counts_as_another_process_wrote_it() -> None:
    its = beside("v1")
    assert lane_of("u1") != lane_of("v1")
    its.feed(event(distinct_id="v1", set={"email": A}), identify("u1", "v1", email=A))
    assert its.desk.plan(its.now_ms) is None
    assert its.desk.records.ledger.row(A) is None
    row = LedgerRow("v1", "accepted", Identifier("id", "v1"), 0)
    its.store.connection(1).ledger[A] = row
    its.store.connection(1).told["v1"] = Told(main=Customer("id", "v1", "accepted", A), emails=(A,))
    its.desk.hear(EVERYTHING)
    assert its.desk.records.ledger.row(A) == row
    assert its.desk.records.stored("v1") is not None


def test_an_email_that_another_process_took_is_not_sent_to_who_waits_for_it() -> None:
    its = beside()
    its.feed(event(distinct_id="u1", set={"email": A}))
    its.desk.records.ledger.put(A, None)
    its.store.connection(1).ledger[A] = LedgerRow("u2", "accepted", Identifier("id", "u2"), 0)
    its.desk.lanes.all[lane_of("u1")].waiting.clear()
    its.store.connection(1).told["u1"] = Told(main=Customer("id", "u1", "accepted"))
    its.desk.records.lose(["u1"])
    its.desk.resends.add(Item(Origin.FREED, 0, "u1", None))
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert not any(effect.email for effect in shipment.effects)


def test_others_know_that_a_lane_is_busy_with_what_is_no_event() -> None:
    its = beside()
    its.say(event(distinct_id="u1"))
    lane = lane_of("u1")
    its.desk.resends.add(Item(Origin.AGAIN, 0, "u1", None))
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    its.feed(event(distinct_id="u2"))
    assert (its.desk.lanes.clear()[lane], its.desk.lanes.clear(shipment)[lane]) == (1, 2)


def test_an_intent_says_which_rows_it_found() -> None:
    """Another process may have written them first."""
    shipment = beside().out(event(set={"email": A}))
    assert shipment.intent is not None
    assert shipment.intent.expected is not None
    assert shipment.intent.expected[A] is None


def test_who_goes_into_another_process_s_lane_is_that_one_s() -> None:
    its = beside("u1")
    assert lane_of("u1") != lane_of("v1")
    its.feed(event(distinct_id="v1"), identify("u1", "v1"))
    assert its.desk.resends.passed("v1") == ("u1", 2)
