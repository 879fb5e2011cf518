"""Pages, screens and dates as Segment and RudderStack send them: their public tests, said in PostHog's words.

Facts of segmentio/action-destinations (trackPageView, trackScreenView, utils), segmentio/analytics.js-integrations
(customerio) and rudderlabs/rudder-transformer (customerio), as of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from customerio_cases import actions, bodies, event, history, options, plan

from hogline.destinations.customerio.options import DEFAULT_PROPERTIES
from hogline.destinations.names import Names, names_of
from hogline.posthog.plumbing import is_plumbing

ONE = "https://example.com/page-one"
BORN = "1990-01-01T00:00:00Z"
SHOP: dict[str, object] = {"path": "/test", "referrer": "Rudder", "title": "Test Page"}
EXERCISE = "https://www.example.com/exercicios/upe/2016/questao/gregorio-de-matos-poeta-baiano-que-viveu-no-seculo-xvi/"


class Case(NamedTuple):
    kind: str
    properties: dict[str, object]
    name: str
    chosen: Mapping[str, object] = MappingProxyType({})
    data: dict[str, object] | None = None
    """None: the properties as they are."""


def page(url: object, **more: object) -> dict[str, object]:
    return {"property1": "this is a test", "$current_url": url, **more}


def screen(name: object, **more: object) -> dict[str, object]:
    return {"property1": "this is a test", "$screen_name": name, **more}


PERSON: dict[str, Any] = {"over18": True, "identification": "valid", "birthdate": BORN}
DATED: dict[str, Any] = {"person": {**PERSON, "birthdate": 631152000}}
ISO: dict[str, object] = {"date_attributes": "event.*"}
ANONYMOUS: dict[str, object] = {"anonymous_users": "anonymous-events"}

PLACES = {
    "a user's page, with a date inside": Case("page", page(ONE, person=PERSON), ONE, ISO, page(ONE, **DATED)),
    "a visitor's page": Case("page", page(ONE), ONE, ANONYMOUS),
    "a page of a sender that gives no id": Case("page", page(ONE), ONE),
    "a page without a URL": Case("page", {}, "$pageview"),
    "a page at a time that its sender writes oddly": Case("page", page(ONE), ONE),
    "a page whose dates stay as they are": Case("page", page(ONE, person=PERSON), ONE),
    "a user's screen, with a date inside": Case(
        "screen", screen("Page One", person=PERSON), "Page One", ISO, screen("Page One", **DATED)
    ),
    "a visitor's screen": Case("screen", screen("Page One"), "Page One", ANONYMOUS),
    "a screen of a sender that gives no id": Case("screen", screen("Page One"), "Page One"),
    "a screen without a name": Case("screen", {}, "$screen"),
    "a screen at a time that its sender writes oddly": Case("screen", screen("Page One"), "Page One"),
    "a screen whose dates stay as they are": Case("screen", screen("Page One", person=PERSON), "Page One"),
    "a page that says nothing of itself": Case("page", {"title": ""}, "$pageview"),
    "a page by its name: its path here": Case("page", {"$pathname": "/home"}, "/home", {"page_names": "path"}),
    "a page by its URL alone": Case("page", {"$current_url": "http://www.example.com"}, "http://www.example.com"),
    "a page with properties": Case("page", {"$pathname": "/home", "visitNumber": 42}, "/home", {"page_names": "path"}),
    "a page of a shop": Case("page", {**SHOP, "$current_url": "www.example.com"}, "www.example.com"),
    "a page of a shop in the EU": Case(
        "page",
        {**SHOP, "$current_url": "www.example.com"},
        "www.example.com",
        {"tracking_endpoint": "track-eu.customer.io"},
    ),
    "a page of a shop by its path": Case(
        "page", {**SHOP, "$current_url": "https://www.example.com/test?x=1"}, "/test", {"page_names": "path"}
    ),
    "a page of a shop without a URL": Case("page", SHOP, "$pageview"),
    "a page without properties": Case("page", {}, "$pageview", {"page_names": "path"}),
    "a screen that is called by a long address": Case("screen", {"$screen_name": EXERCISE}, EXERCISE[:100]),
    "a page with a query and a fragment": Case("page", page(f"{ONE}?a=1#b"), ONE),
    "a page as the old app called it": Case("page", page(ONE), "$pageview", {"page_names": "event"}),
    "a screen as the old app called it": Case("screen", screen("Page One"), "$screen", {"page_names": "event"}),
    "a URL behind an object": Case("page", {"a": {"$current_url": "/no"}, **page(ONE)}, ONE),
    "a URL with something escaped": Case("page", page('https://example.com/"a"'), 'https://example.com/"a"'),
    "a URL that is blank": Case("page", page(" "), "$pageview"),
    "a URL that is no text": Case("page", page(7), "$pageview"),
    "a URL that is none": Case("page", page("http://[x"), "$pageview", {"page_names": "path"}),
}


@pytest.mark.parametrize("case", PLACES.values(), ids=PLACES.keys())
def test_a_page_or_screen_is_called_by_where_it_is(case: Case) -> None:
    its = event("$pageview" if case.kind == "page" else "$screen", properties=case.properties)
    made = plan(its, with_options=options(**case.chosen))
    last = bodies(made)[-1]
    anonymous = case.chosen == ANONYMOUS
    assert actions(made)[-1] == case.kind
    assert last["name"] == case.name
    assert last["data" if anonymous else "attributes"] == (case.properties if case.data is None else case.data)


NOW = ("2026-11-26T03:40:00.000Z", 1795664400)
OLD = "1069-11-25T00:00:00.000Z"

ATTRIBUTE_DATES = {
    "a trait that is a date": ({"date": NOW[0]}, {"date_attributes": "*"}, {"date": NOW[1]}),
    "a date before 1970 that is not named stays a text": ({"date": OLD}, {}, {"date": OLD}),
    "created becomes created_at": (
        {"created": NOW[0]},
        {"attribute_mapping": "created_at=created"},
        {"created_at": NOW[1]},
    ),
    "createdAt becomes created_at": (
        {"createdAt": "2014-05-21T15:54:20Z", "address": {"city": "Kolkata"}},
        {"attribute_mapping": "created_at=createdAt"},
        {"created_at": 1400687660, "address": {"city": "Kolkata"}},
    ),
}


@pytest.mark.parametrize(("said", "chosen", "sent"), ATTRIBUTE_DATES.values(), ids=ATTRIBUTE_DATES.keys())
def test_dates_of_people(said: dict[str, object], chosen: dict[str, object], sent: dict[str, object]) -> None:
    assert bodies(plan(event(set=said), with_options=options(**chosen)))[0]["attributes"] == sent


GROUP_DATES = {
    "a group's date": ({"date": NOW[0]}, "date", {"date": NOW[1]}),
    "a group's date before 1970 that is not named": ({"date": OLD}, "created_at", {"date": OLD}),
}


@pytest.mark.parametrize(("said", "named", "sent"), GROUP_DATES.values(), ids=GROUP_DATES.keys())
def test_dates_of_groups(said: dict[str, object], named: str, sent: dict[str, object]) -> None:
    its = event("$groupidentify", properties={"$group_type": "company", "$group_key": "acme", "$group_set": said})
    made = plan(its, with_options=options(group_objects="company=1", date_attributes=named))
    assert bodies(made)[0]["attributes"] == sent


DAY = "2023-12-25T14:30:45"
DAY_S = 1703514645
EVENT_DATES: list[tuple[object, object]] = [
    (NOW[0], NOW[1]),
    *((f"{DAY}.{'123456789'[:digits]}", DAY_S) for digits in range(1, 10)),
    (f"{DAY}.123Z", DAY_S),
    (f"{DAY}.123456+05:30", DAY_S - 19_800),
    (f"{DAY}.123456789-08:00", DAY_S + 28_800),
    (DAY, DAY_S),
    (f"{DAY}Z", DAY_S),
    ("2023-12-25", 1703462400),
    (f"{DAY}.1234567890", f"{DAY}.1234567890"),
    (f"{DAY}.12345678901", f"{DAY}.12345678901"),
    ("invalid-date", "invalid-date"),
    ("2023-13-25", "2023-13-25"),
    ("2023-12-32", "2023-12-32"),
    ("2023-12-25T25:30:45", "2023-12-25T25:30:45"),
    ("1712345678.123", "1712345678.123"),
    ("2018-03-04T12:08:56.235 PDT", "2018-03-04T12:08:56.235 PDT"),
    (1712345678, 1712345678),
]


@pytest.mark.parametrize(("written", "sent"), EVENT_DATES)
def test_every_iso_date_of_an_event_is_seconds_if_that_is_asked_for(written: object, sent: object) -> None:
    its = event(properties={"date": written, "deep": [{"date": written}]})
    asked = bodies(plan(its, with_options=options(**ISO)))[-1]["attributes"]
    assert asked == {"date": sent, "deep": [{"date": sent}]}
    assert bodies(plan(its))[-1]["attributes"] == {"date": written, "deep": [{"date": written}]}


PROPERTIES: dict[str, object] = {
    "total": 1,
    "$ip": "1.2.3.4",
    "$geoip_city_name": "Ulm",
    "token": "phc_x",
    "$lib": "web",
}
SELECTED = {
    "by default nothing of PostHog's plumbing": ({}, {"total"}),
    "everything": ({"event_properties": ""}, set(PROPERTIES)),
    "everything, said": ({"event_properties": "*"}, set(PROPERTIES)),
    "only these": ({"event_properties": "total, $lib"}, {"total", "$lib"}),
    "nothing that PostHog named": ({"event_properties": "-$*"}, {"total", "token"}),
    "all but some, and one of these": ({"event_properties": "*, -$*, $ip"}, {"total", "token", "$ip"}),
    "nothing": ({"event_properties": "-*"}, set[str]()),
}


@pytest.mark.parametrize(("chosen", "names"), SELECTED.values(), ids=SELECTED.keys())
def test_what_of_an_event_goes_along(chosen: dict[str, object], names: set[str]) -> None:
    (made, anonymous), _ = history(
        event(properties=PROPERTIES), event(properties=PROPERTIES), with_options=options(**chosen)
    )
    for sent in (bodies(made)[-1], bodies(anonymous)[-1]):
        assert sent["attributes"] == {name: PROPERTIES[name] for name in PROPERTIES if name in names}


@pytest.mark.parametrize(
    "name",
    ["$ip", "$geoip_x", "$raw_user_agent", "$lib", "$lib_version", "$insert_id", "$time", "$sent_at", "token", "$host",
     "total", "$current_url", "$timezone", "tokens", "$ips"],
)  # fmt: skip
def test_what_is_set_apart_at_the_door_is_what_the_default_leaves_out(name: str) -> None:
    assert is_plumbing(name) != DEFAULT_PROPERTIES.takes(name)


LISTS: list[tuple[str, dict[str, bool]]] = [
    ("", {"a": True}),
    ("a", {"a": True, "b": False, "ab": False}),
    ("a*", {"a": True, "ab": True, "b": False}),
    ("-a*", {"a": False, "ab": False, "b": True}),
    ("-a*, ab", {"ab": True, "ac": False, "b": False}),
    ("*, -a*, ab*, -abc", {"b": True, "ac": False, "abd": True, "abc": False}),
    ("a, -a", {"a": False, "b": False}),
    ("a*, -a", {"a": False, "ab": True}),
    ("*", {"a": True}),
    ("-*", {"a": False}),
]


@pytest.mark.parametrize(("listed", "found"), LISTS)
def test_of_several_patterns_the_longest_decides(listed: str, found: dict[str, bool]) -> None:
    names: Names = names_of(one.strip() for one in listed.split(",") if one.strip())
    assert {name: names.takes(name) for name in found} == found
    assert bool(names) == bool(listed)
