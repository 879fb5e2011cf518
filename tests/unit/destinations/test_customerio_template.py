"""The configuration of PostHog's present Customer.io template becomes a connection's options."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from customerio_cases import Life, bodies, event

from hogline.destinations.base import Imported, InvalidOptions
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.customerio.template import read_template

SECRET = "canary-secret"
IDENTIFIERS = {
    "email": "{person.properties.email}",
    "id": "{event.distinct_id}",
    "cio_id": "{person.properties.cio_id}",
}
ACTIONS = ("automatic", "identify", "event", "page", "screen", "delete")
MAPPING = {
    "email": "{person.properties.email}",
    "firstname": "{person.properties.first_name}",
    "total": "{event.properties.total}",
}
ADA: dict[str, Any] = {"email": "ada@example.com", "first_name": "Ada", "plan": "pro"}


def function(filters: object = None, **inputs: object) -> dict[str, object]:
    """As PostHog's API gives it."""
    given = {"site_id": "site", "token": SECRET, "host": "track.customer.io", **inputs}
    return {
        "id": "0199",
        "template": {"id": "template-customerio"},
        "inputs": {key: {"value": value, "order": 0} for key, value in given.items()},
        "filters": filters,
    }


def read(given: object, *beside: str) -> Imported:
    return read_template(msgspec.json.encode(given), beside)


def told(name: str, **properties: object) -> Any:
    return event(name, properties=properties, person_properties={**ADA, "cio_id": "a3000001"})


STORY = [
    told("$identify"),
    told("$pageview", **{"$current_url": "https://shop.example/a?x=1"}),
    told("$screen", **{"$screen_name": "Cart"}),
    told("paid", total=49, coupon="X"),
]


@pytest.mark.parametrize(
    ("identifier", "action", "everything"), list(itertools.product(IDENTIFIERS, ACTIONS, (True, False)))
)
def test_each_configuration_of_the_template_has_an_equivalent(
    identifier: str, action: str, *, everything: bool
) -> None:
    names = {"delete": ["account deleted"], "page": ["$pageview"], "screen": ["$screen"]}.get(action, [])
    imported = read(
        function(
            {"events": [{"id": name, "type": "events"} for name in names]},
            identifier_key=identifier,
            identifier_value=IDENTIFIERS[identifier],
            action=action,
            include_all_properties=everything,
            attributes={} if everything else MAPPING,
        )
    )
    life = Life(CUSTOMERIO.read_options(imported.options))
    sent = [bodies(life.say(each)) for each in STORY]
    found = {one["action"]: one for made in sent for one in made}
    key = {"id": {"id": "u1"}, "cio_id": {"cio_id": "a3000001"}}.get(identifier, {"email": "ada@example.com"})
    assert all(one["identifiers"] == key for one in found.values())
    assert [one["action"] for made in sent for one in made if one["action"] != "identify"] == {
        "automatic": ["event", "page", "screen", "event"],
        "event": ["event", "page", "screen", "event"],
        "identify": ["event"],
        "page": ["page"],
        "screen": ["screen"],
        "delete": ["event", "page", "screen", "event"],
    }[action]
    its = {"email": ADA["email"], "firstname": ADA["first_name"]} if not everything else ADA
    assert found["identify"]["attributes"] == its
    if action in {"automatic", "event"}:
        names = [made[-1]["name"] for made in sent]
        urls = ["$identify", "https://shop.example/a", "Cart", "paid"]
        assert names == (urls if action == "automatic" else ["$identify", "$pageview", "$screen", "paid"])
        assert sent[-1][-1]["attributes"] == ({"total": 49, "coupon": "X"} if everything else {"total": 49})
    if action == "delete":
        assert [one["action"] for one in bodies(life.say(told("account deleted")))] == ["delete"]
    assert bool(imported.notes) == (action in {"identify", "delete"})


def test_a_person_property_as_id_identifies_and_nobody_without_it_is_sent() -> None:
    imported = read(function(identifier_key="id", identifier_value="{person.properties.user_id}"))
    assert imported.options["identify_by"] == "property:user_id"
    assert not imported.notes
    life = Life(CUSTOMERIO.read_options(imported.options))
    assert bodies(life.say(event("paid", "u1"))) == []
    made = bodies(life.say(event("paid", "u1", person_properties={"user_id": 17})))
    assert [one["identifiers"] for one in made] == [{"id": "17"}, {"id": "17"}]


def test_what_the_template_starts_with_is_what_is_not_given() -> None:
    assert read(function()).options == {
        "site_id": "site",
        "api_key": SECRET,
        "tracking_endpoint": "track.customer.io",
        "identify_by": "email",
        "anonymous_users": "emails",
        "page_names": "url",
        "attributes_from": "person",
        "attribute_names": "-*",
        "event_properties": "-*",
        "merge_people": "no",
    }


def test_secrets_are_told_if_they_are_hidden_and_not_asked_for_if_they_are_known() -> None:
    given = function()
    given["inputs"]["token"] = {"secret": True}  # type: ignore[index]
    assert read(given).hidden == {"token": "api_key"}
    assert read(given, "api_key").hidden == {}
    assert "site_id" not in read(given, "site_id").options
    assert "api_key" not in read({"inputs": {"site_id": "site"}}).options
    assert SECRET not in repr(read(function()))


NOTES = [
    ({"host": "https://proxy.example"}, "--tracking-endpoint"),
    ({"identifier_key": "id", "identifier_value": "{person.id}"}, "property:NAME"),
    ({"identifier_key": "email", "identifier_value": "{lower(person.properties.email)}"}, "--email-property"),
    ({"identifier_key": "cio_id", "identifier_value": "{event.properties.c}"}, "cio_id:NAME"),
    ({"action": "delete"}, "--delete-on"),
    ({"action": "dance"}, "--delete-on"),
    ({"attributes": {"name": "{concat(person.properties.first, ' ', person.properties.last)}"}}, "“name”"),
    ({"attributes": {"amount": "{event.properties.total}"}}, "“amount”"),
    ({"attributes": {"greeting": "Hello {person.properties.name}"}}, "“greeting”"),
    ({"attributes": {"deep": {"a": "{event.event}"}}}, "“deep”"),
]


@pytest.mark.parametrize(("inputs", "says"), NOTES)
def test_what_cannot_be_taken_over_is_named_with_what_to_do(inputs: dict[str, object], says: str) -> None:
    imported = read(function(**inputs))
    assert any(says in note for note in imported.notes), imported.notes
    CUSTOMERIO.read_options(imported.options)


def test_other_email_properties_fixed_values_and_the_id_are_taken_over() -> None:
    attributes = {"source": "posthog, EU", "level": 3, "ref": "{event.distinct_id}", "vip": True}
    imported = read(
        function(identifier_value="{person.properties.mail}", attributes=attributes, enable_profile_merging=True)
    )
    assert imported.notes == ()
    assert imported.options["email_property"] == "mail"
    assert imported.options["merge_people"] == "all"
    assert imported.options["attribute_mapping"] == 'source:="posthog, EU", level:=3, ref=distinct_id, vip:=true'
    mapping = CUSTOMERIO.read_options(imported.options).mapping
    assert [(one.name, one.source, one.value) for one in mapping] == [
        ("source", "", "posthog, EU"),
        ("level", "", 3),
        ("ref", "distinct_id", None),
        ("vip", "", True),
    ]


def condition(key: str, operator: str, value: object = None, of: str = "event") -> dict[str, object]:
    return {"key": key, "operator": operator, "value": value, "type": of}


FILTERS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"events": [{"id": "paid"}, {"id": None}, {"id": "$pageview"}]}, {"events": "paid, $pageview"}),
    ({"properties": [condition("email", "is_set", "is_set", "person")]}, {"anonymous_users": "emails"}),
    ({"properties": [condition("$is_identified", "exact", ["true"])]}, {"anonymous_users": "identified"}),
    ({"properties": [condition("$host", "not_icontains", "localhost")]}, {"ignore_when": "$host icontains localhost"}),
    (
        {"properties": [condition("plan", "exact", ["pro", "big team"], "person"), condition("total", "gt", 5)]},
        {"ignore_when": 'person.plan is_not pro and person.plan is_not "big team" or total lte 5'},
    ),
    ({"properties": [condition("a b", "is_not", ["x", "y"])]}, {"ignore_when": '"a b" exact x or "a b" exact y'}),
    ({"properties": [condition("plan", "is_set")]}, {"ignore_when": "plan is_not_set"}),
    ({}, {}),
]


@pytest.mark.parametrize(("filters", "options"), FILTERS)
def test_filters_say_who_is_sent_and_what_is_ignored(filters: dict[str, object], options: dict[str, object]) -> None:
    imported = read(function(filters, identifier_key="id", identifier_value="{event.distinct_id}"))
    assert imported.notes == ()
    assert imported.options.items() >= options.items()
    assert len(imported.options) == len(
        {**read(function(identifier_key="id", identifier_value="{event.distinct_id}")).options, **options}
    )
    CUSTOMERIO.read_options(imported.options)


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"filter_test_accounts": True}, "internal and test users"),
        ({"actions": [{"id": "7"}]}, "--events"),
        ({"events": [{"id": "paid", "properties": [condition("a", "exact", "b")]}]}, "single events"),
        ({"properties": [condition("id", "in", 7, "cohort")]}, "--ignore-when"),
        ({"properties": [condition("", "exact", 7)]}, "--ignore-when"),
    ],
)
def test_filters_that_cannot_be_taken_over_are_named(filters: dict[str, object], says: str) -> None:
    assert any(says in note for note in read(function(filters)).notes)


def test_events_that_are_no_pages_are_named_where_only_pages_are_sent() -> None:
    imported = read(function({"events": [{"id": "$pageview"}, {"id": "paid"}]}, action="page"))
    assert "only $pageview is a page" in " ".join(imported.notes)


def test_mappings_and_masking_are_named() -> None:
    imported = read({**function(), "mappings": [{"name": "a"}], "masking": {"ttl": 60}})
    assert ["mappings" in note or "masking" in note for note in imported.notes] == [True, True]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"\xff", b"{}", b'{"inputs": 5}', b'{"inputs": {"url": {}}}', b'{"a":' * 50_000]
)
def test_what_is_no_such_configuration_is_told(text: bytes) -> None:
    with pytest.raises(InvalidOptions, match=r"This is no configuration of PostHog's Customer\.io destination"):
        read_template(text)
