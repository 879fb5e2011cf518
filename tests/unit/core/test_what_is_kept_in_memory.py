"""What Known, the records and the ledger keep in memory has bounds, and nothing is lost by them."""

from __future__ import annotations

import pytest
from desk_bench import NOW_S, Life, event

from hogline.core import known, ledger, records
from hogline.core.draft import bounded
from hogline.core.known import Fact, Person
from hogline.core.ledger import LedgerRow
from hogline.core.room import LOOKS_EVERY, Room
from hogline.core.told import MOST_EMAILS
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Identifier
from hogline.posthog.entry import entry_of


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    """Hardly anything is kept."""
    for module, name in (
        (known, "IDS_BYTES"),
        (known, "PEOPLE_BYTES"),
        (ledger, "ROWS_BYTES"),
        (records, "TOLD_BYTES"),
    ):
        monkeypatch.setattr(module, name, 4_000)
    monkeypatch.setattr(records, "MOST_SPOKEN", 8)
    return Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "site", "api_key": "key"}))


def test_whoever_is_not_in_use_is_let_go_and_read_again(life: Life) -> None:
    people = [f"u{n}" for n in range(40)]
    for n, who in enumerate(people):
        life.say(event(distinct_id=who, set={"email": f"{who}@x.co", "n": n}))
    life.say(event("$identify", "u1", properties={"$anon_distinct_id": "u2"}))
    assert [life.values(who)["n"] for who in people[3:]] == list(range(3, 40))
    for who in people[3:]:
        assert [one.action for one in life.say(event(distinct_id=who)).operations] == ["event"]


def test_what_is_to_be_written_is_kept_whatever_there_is_room_for(life: Life) -> None:
    for n in range(40):
        life.fold.fold(n + 1, entry_of(event(distinct_id=f"v{n}", set={"n": n})))
    life.known.make_room()
    assert [life.values(f"v{n}") for n in range(40)] == [{"n": n} for n in range(40)]
    flush = life.known.take_flush()
    assert (len(flush.people), flush.folded) == (40, 40)
    life.store.flush(flush)
    life.known.flushed(flush)
    assert [life.values(f"v{n}") for n in range(40)] == [{"n": n} for n in range(40)]


def test_what_a_shipment_on_its_way_promises_is_kept(life: Life) -> None:
    shipment = life.out(*[event(distinct_id=f"u{n}", set={"email": f"u{n}@x.co"}) for n in range(20)])
    other = life.say(*[event(distinct_id=f"w{n}", set={"email": f"u{n}@x.co"}) for n in range(20)])
    assert {one.adjusted for one in other.items} == {("email_taken",)}
    life.land(shipment)
    assert life.told("u0").main is not None


def test_whose_last_time_is_forgotten_gets_a_later_one(life: Life) -> None:
    life.desk.records.start_s = NOW_S
    for n in range(20):
        life.say(event(distinct_id=f"u{n}"))
    assert len(life.desk.records.spoken) <= 8
    made = life.say(event(distinct_id="u0", set={"plan": "pro"}))
    assert b'"timestamp":%d' % (NOW_S + 2) in made.operations[0].body


def test_of_many_emails_those_that_have_a_row_stay() -> None:
    emails = [f"a{n}@x.co" for n in range(MOST_EMAILS + 3)]
    row = LedgerRow("u1", "accepted", Identifier("id", "u1"), others=0)
    assert bounded(emails[:3], {}) == tuple(emails[:3])
    assert bounded(emails, {emails[1]: row}) == (emails[1], *emails[3:])


def test_what_is_lost_is_read_again(life: Life) -> None:
    life.say(event(set={"plan": "pro"}))
    life.known.lose(["u1"])
    life.desk.records.lose(["u1"])
    assert life.values() == {"plan": "pro"}
    assert [one.action for one in life.say(event()).operations] == ["event"]


def test_of_large_people_fewer_are_kept() -> None:
    small = {f"u{n}": Person(f"u{n}") for n in range(1_000)}
    large = {f"u{n}": Person(f"u{n}", {"bio": Fact("x" * 10_000, 0, n)}) for n in range(1_000)}
    assert Room(1_000_000).surplus(small) == []
    gone = Room(1_000_000).surplus(large)
    kept = 1_000 - len(gone)
    assert gone == [f"u{n}" for n in range(len(gone))]
    assert 50 < kept < 100


def test_people_who_grow_while_they_are_kept_are_noticed() -> None:
    room = Room(1_000_000)
    people = {f"u{n}": Person(f"u{n}") for n in range(1_000)}
    assert room.surplus(people) == []
    people |= {f"u{n}": Person(f"u{n}", {"bio": Fact("x" * 10_000, 0, n)}) for n in range(1_000)}
    assert any(room.surplus(people) for _ in range(LOOKS_EVERY))
