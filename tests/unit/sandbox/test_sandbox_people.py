"""What operations make of people: created, changed, linked, merged, deleted, suppressed, related."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_client import NOW, Client, act, event, identify, merge, ulid

from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings


def test_an_identify_creates_a_person_with_attributes() -> None:
    client = Client()
    client.accept(identify("u1", email="A@b.co", plan="pro", nested={"a": [1]}))
    person = client.person(id="u1")
    assert person["email"] == "A@b.co"
    assert person["attributes"] == {"plan": "pro", "nested": {"a": [1]}}
    assert (person["sequence"], person["created_at"], person["events"]) == (1, NOW, 0)


def test_an_event_for_an_unknown_person_creates_them() -> None:
    client = Client()
    client.accept(event(person="new"))
    assert client.person(id="new")["events"] == 1


def test_ids_are_case_sensitive_and_emails_are_not() -> None:
    client = Client()
    client.accept(event(person="Ada"), event(person="ada"))
    client.accept(act("event", {"email": "Ada@b.co"}, name="n"), act("event", {"email": "ada@B.co"}, name="n"))
    assert [(person["id"], person["email"], person["events"]) for person in client.people()] == [
        ("Ada", None, 1),
        ("ada", None, 1),
        (None, "Ada@b.co", 2),
    ]


def test_update_never_creates() -> None:
    client = Client()
    client.accept(identify("u1", _update=True, plan="pro"))
    assert client.people() == []
    client.accept(event(person="u1"), identify("u1", _update=True, plan="pro"))
    assert client.person(id="u1")["attributes"] == {"plan": "pro"}


@pytest.mark.parametrize("removal", [None, ""])
def test_null_and_empty_text_remove_an_attribute(removal: object) -> None:
    client = Client()
    client.accept(identify("u1", plan="pro", city="Rome"), identify("u1", plan=removal))
    assert client.person(id="u1")["attributes"] == {"city": "Rome"}


def test_an_older_update_never_overwrites_a_newer_one_attribute_by_attribute() -> None:
    client = Client()
    client.accept(identify("u1", 200, plan="new"), identify("u1", 100, plan="old", city="Rome"))
    assert client.person(id="u1")["attributes"] == {"plan": "new", "city": "Rome"}


def test_an_older_update_does_not_bring_a_removed_attribute_back() -> None:
    client = Client()
    client.accept(identify("u1", 100, plan="a"), identify("u1", 300, plan=None), identify("u1", 200, plan="b"))
    assert client.person(id="u1")["attributes"] == {}


def test_without_a_timestamp_the_time_of_receipt_counts() -> None:
    client = Client(now=500)
    client.accept(identify("u1", plan="received"), identify("u1", 499, plan="older"))
    assert client.person(id="u1")["attributes"] == {"plan": "received"}
    client.accept(identify("u1", plan="later", _timestamp=501), identify("u1", plan="received"))
    assert client.person(id="u1")["attributes"] == {"plan": "later"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.none(), max_size=3)),
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_in_whatever_order_updates_arrive_the_newest_values_stay(
    updates: list[tuple[dict[str, object]]], random: object
) -> None:
    operations = [identify("u1", at, **attributes) for at, (attributes,) in enumerate(updates)]
    final = dict(itertools.chain.from_iterable(attributes.items() for (attributes,) in updates))
    random.shuffle(operations)  # type: ignore[attr-defined]
    client = Client()
    client.accept(identify("u1"), *operations)
    assert client.person(id="u1")["attributes"] == {k: v for k, v in final.items() if v is not None}


def test_an_email_that_belongs_to_nobody_links_to_the_id() -> None:
    client = Client()
    client.accept(identify("u1", email="a@b.co"), act("event", {"email": "A@B.co"}, name="n"))
    (person,) = client.people()
    assert (person["id"], person["events"]) == ("u1", 1)


def test_an_email_only_person_gets_the_unknown_id_that_comes_with_it() -> None:
    client = Client()
    client.accept(identify({"email": "a@b.co"}, city="Rome"), identify("u1", email="a@b.co", plan="pro"))
    (person,) = client.people()
    assert (person["id"], person["sequence"]) == ("u1", 1)
    assert person["attributes"] == {"city": "Rome", "plan": "pro"}


def test_an_email_only_person_is_absorbed_by_the_known_id() -> None:
    client = Client()
    client.accept(identify("u1", city="Oslo"), act("event", {"email": "a@b.co"}, name="n"))
    client.accept(identify({"email": "a@b.co"}, city="Rome", plan="pro"), identify("u1", email="a@b.co"))
    (person,) = client.people()
    assert person["attributes"] == {"city": "Oslo", "plan": "pro"}
    assert person["events"] == 1
    assert [found["name"] for found in client.events("?person=u1")] == ["n"]


def test_an_email_of_a_person_with_another_id_is_dropped_in_silence() -> None:
    client = Client()
    client.accept(identify("u1", email="a@b.co"), identify("u2", email="a@b.co", plan="pro"))
    assert client.person(id="u2")["email"] is None
    assert client.person(id="u2")["attributes"] == {"plan": "pro"}
    assert client.person(email="a@b.co")["id"] == "u1"
    assert client.get("/sandbox/summary")["dropped_emails"] == 1


def test_a_new_email_replaces_the_old_one_unless_it_is_older() -> None:
    client = Client()
    client.accept(identify("u1", 100, email="a@b.co"), identify("u1", 200, email="c@d.co"))
    assert client.person(email="a@b.co") is None
    client.accept(identify("u1", 150, email="e@f.co"))
    assert client.person(email="c@d.co")["id"] == "u1"
    client.accept(identify("u1", 300, email=None))
    assert client.person(email="c@d.co") is None
    client.accept(act("event", {"email": "a@b.co"}, name="n"))
    assert [person["id"] for person in client.people()] == ["u1", None]


def test_an_email_only_person_can_be_given_a_free_id_once() -> None:
    client = Client()
    client.accept(identify("taken"), identify({"email": "a@b.co"}, id="taken"))
    assert client.person(email="a@b.co")["id"] is None
    client.accept(identify({"email": "a@b.co"}, id="u1", _timestamp=NOW + 1))
    client.accept(identify({"email": "a@b.co"}, id="u2", _timestamp=NOW + 2))
    assert client.person(email="a@b.co")["id"] == "u1"


def test_in_an_id_only_workspace_an_email_is_a_plain_attribute() -> None:
    only_id = WorkspaceSettings(identified_by="id")
    client = Client(SandboxSettings(workspaces=(only_id,)))
    client.accept(identify("u1", email="a@b.co"), identify("u2", email="a@b.co"))
    assert [person["attributes"] for person in client.people()] == [{"email": "a@b.co"}] * 2
    assert [person["email"] for person in client.people()] == [None, None]


def test_a_merge_moves_events_and_fills_missing_attributes_and_the_secondary_is_gone() -> None:
    client = Client()
    client.accept(
        identify("keep", plan="pro"),
        identify("anon", plan="free", city="Rome", email="a@b.co"),
        event("browsed", "anon"),
        act("add_device", {"id": "anon"}, device={"token": "t", "platform": "ios"}),
        merge({"id": "keep"}, {"id": "anon"}),
    )
    (person,) = client.people()
    assert person["id"] == "keep"
    assert person["attributes"] == {"plan": "pro", "city": "Rome"}
    assert (person["events"], len(person["devices"]), person["email"]) == (1, 1, None)
    assert client.events()[0]["person"] == {"cio_id": person["cio_id"], "id": "keep", "email": None, "gone": None}
    client.accept(event("again", "anon"))
    assert client.person(id="anon")["events"] == 1


def test_merges_of_merges_keep_every_event() -> None:
    client = Client()
    client.accept(*(event(f"of {name}", name) for name in "abcd"))
    client.accept(merge({"id": "b"}, {"id": "a"}), merge({"id": "c"}, {"id": "b"}), merge({"id": "d"}, {"id": "c"}))
    assert [found["name"] for found in client.events("?person=d")] == ["of a", "of b", "of c", "of d"]
    assert client.person(id="d")["events"] == 4


@pytest.mark.parametrize(("primary", "secondary"), [("missing", "u1"), ("u1", "missing"), ("u1", "u1")])
def test_a_merge_without_two_people_does_nothing(primary: str, secondary: str) -> None:
    client = Client()
    client.accept(event(person="u1"), merge({"id": primary}, {"id": secondary}))
    assert [person["id"] for person in client.people()] == ["u1"]
    assert client.get("/sandbox/summary")["without_effect"] == 1


def test_a_deleted_person_can_come_back_as_somebody_new() -> None:
    client = Client()
    client.accept(identify("u1", plan="pro"), event("old"), act("delete"), event("new"))
    (person,) = client.people()
    assert (person["sequence"], person["attributes"], person["events"]) == (2, {}, 1)
    assert [(found["name"], found["person"]["gone"]) for found in client.events()] == [
        ("old", "deleted"),
        ("new", None),
    ]


def test_suppressing_deletes_and_blocks_every_identifier_until_unsuppressed() -> None:
    client = Client()
    client.accept(identify("u1", email="a@b.co"), act("suppress"))
    assert client.people() == []
    client.accept(event(), identify("u1", plan="x"), act("event", {"email": "A@b.co"}, name="n", id=ulid(1)))
    assert (client.people(), client.events()) == ([], [])
    client.accept(identify("u2", email="a@b.co"))
    assert client.person(id="u2")["email"] is None
    client.accept(act("unsuppress"), act("event", {"email": "a@b.co"}, name="n", id=ulid(1)))
    assert client.person(email="a@b.co")["events"] == 1


def test_a_cio_id_reaches_the_person_and_creates_nobody() -> None:
    client = Client()
    client.accept(event())
    cio_id = client.person(id="u1")["cio_id"]
    client.accept(identify({"cio_id": cio_id}, plan="pro"), identify({"cio_id": "cio_unknown"}, plan="x"))
    assert [person["attributes"] for person in client.people()] == [{"plan": "pro"}]


def test_a_phone_number_names_a_person_too() -> None:
    client = Client()
    phone = {"phone": "+4930123456"}
    client.accept(act("event", phone, name="n"), identify(phone, plan="pro"))
    (person,) = client.people()
    assert (person["phone"], person["events"], person["attributes"]) == ("+4930123456", 1, {"plan": "pro"})
    client.accept(act("delete", phone), act("event", phone, name="n"))
    assert client.people()[0]["sequence"] == 2


@pytest.mark.parametrize(
    "operation",
    [
        act("delete"),
        act("delete_device", device={"token": "t"}),
        act("delete_relationships", cio_relationships=[{"identifiers": {"object_type_id": "1", "object_id": "a"}}]),
        act("add_device", {"cio_id": "cio_unknown"}, device={"token": "t", "platform": "ios"}),
        act("event", {"cio_id": "cio_unknown"}, name="n"),
        {"type": "object", "action": "delete", "identifiers": {"object_type_id": "1", "object_id": "a"}},
    ],
)
def test_what_is_about_nobody_is_accepted_and_does_nothing(operation: dict[str, object]) -> None:
    client = Client()
    client.accept(operation)
    assert (client.people(), client.events()) == ([], [])
    assert client.get("/sandbox/summary")["without_effect"] == 1


def test_an_objects_attributes_change_and_go() -> None:
    client = Client()
    acme = {"type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": "acme"}}
    client.accept({**acme, "attributes": {"plan": "pro", "city": "Rome"}}, {**acme, "attributes": {"plan": None}})
    assert client.get("/sandbox/objects") == [
        {"object_type_id": "1", "object_id": "acme", "attributes": {"city": "Rome"}}
    ]


def test_devices_come_and_go() -> None:
    client = Client()
    client.accept(act("add_device", device={"token": "t", "platform": "android", "last_used": 7}))
    assert client.person(id="u1")["devices"] == [
        {"token": "t", "platform": "android", "last_used": 7, "attributes": {}}
    ]
    client.accept(act("delete_device", device={"token": "t"}))
    assert client.person(id="u1")["devices"] == []


def test_objects_and_relationships_are_kept() -> None:
    client = Client()
    acme = {"object_type_id": "1", "object_id": "acme"}
    edge = [{"identifiers": acme, "relationship_attributes": {"role": "owner"}}]
    client.accept(
        {"type": "object", "action": "identify", "identifiers": acme, "attributes": {"plan": "pro"}},
        act("add_relationships", cio_relationships=edge),
        {**identify("u2"), "cio_relationships": edge},
        {
            "type": "object",
            "action": "identify",
            "identifiers": acme,
            "cio_relationships": [{"identifiers": {"id": "u3"}}],
        },
    )
    shown = {"object_type_id": "1", "object_id": "acme", "attributes": {"role": "owner"}}
    assert client.person(id="u1")["relationships"] == client.person(id="u2")["relationships"] == [shown]
    assert client.person(id="u3")["relationships"] == [{**shown, "attributes": {}}]
    client.accept(act("delete_relationships", cio_relationships=edge))
    assert client.person(id="u1")["relationships"] == []
    client.accept({"type": "object", "action": "delete", "identifiers": acme})
    assert client.person(id="u2")["relationships"] == []
    assert client.get("/sandbox/summary")["objects"] == 0
