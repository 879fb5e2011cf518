"""Events arrive once, in order, and are kept within bounds; anonymous ones wait for their person."""

import pytest
from sandbox_client import NOW, ULID, Client, act, event, identify, merge, ulid

from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings


def anonymous(client: Client, anonymous_id: str | None, name: str = "browsed", **more: object) -> None:
    reply = client.request("POST", "/api/v1/events", {"name": name, "anonymous_id": anonymous_id, **more})
    assert (reply.status, reply.json) == (200, {})


def test_an_event_is_shown_as_it_was_sent() -> None:
    client = Client()
    client.accept(act("page", name=" /home ", id=ULID.lower(), timestamp=7, attributes={"a": [1, None]}))
    assert client.events() == [
        {
            "sequence": 1,
            "ulid": ULID,
            "name": "/home",
            "type": "page",
            "timestamp": 7,
            "data": {"a": [1, None]},
            "person": {"cio_id": "cio_00000001", "id": "u1", "email": None, "gone": None},
            "anonymous_id": None,
            "repeats": 0,
            "altered": 0,
        }
    ]


def test_an_event_without_a_timestamp_happened_on_receipt() -> None:
    client = Client()
    client.accept(event())
    assert client.events()[0]["timestamp"] == NOW


def test_a_repeated_ulid_is_accepted_ignored_and_counted() -> None:
    client = Client()
    client.accept(event("first", id=ULID), event("again", id=ULID), event("other", "u2", id=ULID.lower()))
    (kept,) = client.events()
    assert (kept["name"], kept["repeats"]) == ("first", 2)
    assert client.person(id="u1")["events"] == 1
    assert client.person(id="u2") is None
    assert client.get("/sandbox/summary")["repeats"] == 2


@pytest.mark.parametrize(
    ("repeat", "altered"),
    [
        (act("event", name="paid", id=ULID, timestamp=7, attributes={"n": 1}), 0),
        (act("event", name=" paid ", id=ULID.lower(), timestamp=7, attributes={"n": 1}), 0),
        (act("event", name="paid", id=ULID, attributes={"n": 1}), 0),
        (act("page", name="paid", id=ULID, timestamp=7, attributes={"n": 1}), 1),
        (act("event", name="left", id=ULID, timestamp=7, attributes={"n": 1}), 1),
        (act("event", name="paid", id=ULID, timestamp=8, attributes={"n": 1}), 1),
        (act("event", name="paid", id=ULID, timestamp=7, attributes={"n": 2}), 1),
    ],
    ids=["the same", "other spelling", "no timestamp", "type", "name", "timestamp", "data"],
)
def test_a_repeat_that_says_something_else_is_counted(repeat: dict[str, object], altered: int) -> None:
    client = Client()
    client.accept(act("event", name="paid", id=ULID, timestamp=7, attributes={"n": 1}), repeat)
    (kept,) = client.events()
    assert (kept["name"], kept["repeats"], kept["altered"]) == ("paid", 1, altered)
    assert client.get("/sandbox/summary")["altered"] == altered


def test_events_without_an_id_are_never_repeats() -> None:
    client = Client()
    client.accept(event(), event())
    assert len(client.events()) == 2


def test_a_refused_event_may_come_again() -> None:
    client = Client()
    assert client.batch(event("", id=ULID)).status == 207
    client.accept(event("mended", id=ULID))
    assert client.events()[0]["repeats"] == 0


def test_events_are_numbered_in_the_order_of_their_arrival() -> None:
    client = Client()
    client.accept(event("a", "u1"), event("b", "u2", timestamp=1))
    client.accept(event("c", "u1", timestamp=0))
    assert [(found["sequence"], found["name"]) for found in client.events()] == [(1, "a"), (2, "b"), (3, "c")]
    assert [found["name"] for found in client.events("?person=u1")] == ["a", "c"]


def test_events_can_be_asked_for_by_name_and_page_by_page() -> None:
    client = Client()
    client.accept(*(event("even" if n % 2 else "odd", timestamp=n) for n in range(6)))
    assert [found["sequence"] for found in client.events("?name=even&limit=2")] == [2, 4]
    assert [found["sequence"] for found in client.events("?name=even&limit=2&after=4")] == [6]
    assert client.events("?after=6") == client.events("?person=nobody") == []


def test_an_anonymous_event_has_no_person_and_is_not_repeated() -> None:
    client = Client()
    anonymous(client, "anon", id=ULID)
    anonymous(client, "anon", id=ULID)
    anonymous(client, None)
    assert client.people() == []
    assert [(found["person"], found["anonymous_id"]) for found in client.events()] == [(None, "anon"), (None, None)]


def test_anonymous_events_become_the_persons_who_gets_the_anonymous_id() -> None:
    client = Client()
    anonymous(client, "anon")
    anonymous(client, "other")
    client.accept(identify("u1", anonymous_id="anon"))
    assert [found["person"] and found["person"]["id"] for found in client.events()] == ["u1", None]
    assert client.person(id="u1")["events"] == 1
    assert client.person(id="u1")["attributes"] == {"anonymous_id": "anon"}


def test_an_anonymous_id_can_be_used_once() -> None:
    client = Client()
    anonymous(client, "anon")
    client.accept(identify("u1", anonymous_id="anon"), identify("u2", anonymous_id="anon"))
    anonymous(client, "anon")
    assert (client.person(id="u1")["events"], client.person(id="u2")["events"]) == (2, 0)


def test_late_anonymous_events_join_for_five_minutes_and_early_ones_for_thirty_days() -> None:
    client = Client(now=NOW)
    anonymous(client, "anon", "too early")
    client.now += 30 * 86_400 + 1
    anonymous(client, "anon", "early")
    client.accept(identify("u1", anonymous_id="anon"), identify("u2"), merge({"id": "u2"}, {"id": "u1"}))
    client.now += 300
    anonymous(client, "anon", "late")
    client.now += 1
    anonymous(client, "anon", "too late")
    assert [found["name"] for found in client.events("?person=u2")] == ["early", "late"]


def test_a_workspace_may_not_join_anonymous_events() -> None:
    client = Client(SandboxSettings(workspaces=(WorkspaceSettings(joins_anonymous_events=False),)))
    anonymous(client, "anon")
    client.accept(identify("u1", anonymous_id="anon"))
    assert client.person(id="u1")["events"] == 0


def test_the_oldest_events_lose_their_data_and_keep_their_ulid() -> None:
    client = Client(SandboxSettings(kept_events=2))
    client.accept(*(event(id=ulid(n), attributes={"n": n}) for n in range(3)))
    assert [found["data"] for found in client.events()] == [None, {"n": 1}, {"n": 2}]
    client.accept(event(id=ulid(0)))
    assert client.events()[0]["repeats"] == 1


def test_the_oldest_events_lose_their_data_when_there_are_too_many_bytes() -> None:
    client = Client(SandboxSettings(kept_bytes=20))
    client.accept(*(event(id=ulid(n), attributes={"n": n}) for n in range(3)))
    assert [found["data"] for found in client.events()] == [None, {"n": 1}, {"n": 2}]
    client.accept(event(attributes={"long": "x" * 20}))
    assert [found["data"] for found in client.events()] == [None] * 4


def test_the_very_oldest_events_are_forgotten() -> None:
    client = Client(SandboxSettings(remembered_events=20, kept_events=5))
    anonymous(client, "anon", id=ulid(0))
    anonymous(client, "anon", id=ulid(1))
    client.accept(*(event(id=ulid(n), attributes={"n": n}) for n in range(2, 30)))
    sequences = [found["sequence"] for found in client.events()]
    assert sequences == list(range(31 - len(sequences), 31))
    assert len(sequences) <= 20
    assert [found["sequence"] for found in client.events("?after=28")] == [29, 30]
    assert [found["data"] is not None for found in client.events()][-6:] == [False] + [True] * 5
    client.accept(event(id=ulid(29)), event("again", id=ulid(2)))
    assert client.events("?after=29")[0]["repeats"] == 1
    assert client.events("?after=30")[0]["name"] == "again"
    client.accept(identify("u9", anonymous_id="anon"))
    assert client.person(id="u9")["events"] == 0
