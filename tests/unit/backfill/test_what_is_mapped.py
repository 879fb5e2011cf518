"""What people who move here from elsewhere ask for: names of pages, what of an event goes along, whose events do not."""

from __future__ import annotations

from typing import Any

import pytest
from preview_cases import previewed, said

from hogline.backfill.views import PreviewedEvent
from hogline.reasons import nobody_hint, person_hint

pytestmark = pytest.mark.anyio

GEOIP = {"$geoip_city_name": "Ulm", "$geoip_latitude": 48.4}


def sent(event: PreviewedEvent, action: str) -> dict[str, Any]:
    (body,) = [one.body for one in event.operations if one.action == action]
    assert isinstance(body, dict)
    return body


def attributes(event: PreviewedEvent) -> list[dict[str, Any]]:
    """Of every identify."""
    return [one.body["attributes"] for one in event.operations if one.action == "identify"]  # type: ignore[index]


def actions(event: PreviewedEvent) -> list[str]:
    return [one.action for one in event.operations]


def webhook(name: str, number: int, person: dict[str, object], **properties: object) -> dict[str, object]:
    """As PostHog's webhook sends it: with the person, and no `$set` unless it is named."""
    return {"event": said(name, "u1", number, **properties), "person": {"id": "p1", "properties": person}}


ADA: dict[str, object] = {"email": "ada@example.com", "plan": "pro", "name": "Ada", "$initial_referrer": "$direct"}
WITHOUT_SET = [
    webhook("$identify", 1, ADA, anon="0199f3a0-aaaa-7000-8000-000000000001"),
    webhook("$set", 2, {**ADA, "email": "ada@new.example.com", "plan": "team"}),
    webhook("paid", 3, {**ADA, "email": "ada@new.example.com", "plan": "team"}, total=1),
]


async def test_without_set_the_email_comes_from_posthogs_person_and_a_hint_says_what_is_missing() -> None:
    first, second, paid = await previewed(WITHOUT_SET)
    assert sent(first, "identify")["attributes"] == {"email": "ada@example.com"}
    assert sent(second, "identify")["attributes"] == {"email": "ada@new.example.com"}
    assert actions(paid) == ["event"]
    assert [event.adjusted for event in (first, second, paid)] == [["set_missing"], ["set_missing"], []]
    assert "--attributes-from person" in (person_hint("customerio", {"set_missing": 2}) or "")
    assert person_hint("customerio", {}) is None


async def test_with_the_persons_properties_all_but_posthogs_own_become_attributes() -> None:
    first, second, _ = await previewed(WITHOUT_SET, attributes_from="person", attribute_names="-$*")
    assert sent(first, "identify")["attributes"] == {"email": "ada@example.com", "plan": "pro", "name": "Ada"}
    assert sent(second, "identify")["attributes"] == {"email": "ada@new.example.com", "plan": "team"}
    assert first.adjusted == []


async def test_a_page_is_called_by_its_url_and_what_posthog_adds_is_no_attribute_and_no_data() -> None:
    url = "https://shop.example/" + "c" * 120
    its: dict[str, object] = {"$browser": "Chrome", **GEOIP}
    first, long = await previewed(
        [
            said("$pageview", "u1", 1, set=its, **GEOIP, **{"$current_url": "https://shop.example/a?ref=x#top"}),
            said("$pageview", "u1", 2, set=its, **GEOIP, **{"$current_url": url}),
        ]
    )
    page = sent(first, "page")
    assert (page["name"], page["attributes"]) == (
        "https://shop.example/a",
        {"$current_url": "https://shop.example/a?ref=x#top"},
    )
    assert sent(first, "identify")["attributes"] == {}
    assert first.left_out == ["$geoip_city_name", "$geoip_latitude", "$browser"]
    assert (sent(long, "page")["name"], long.adjusted) == (url[:100], ["event_name_cut"])


async def test_an_attribute_of_posthogs_own_that_is_named_is_sent() -> None:
    (first,) = await previewed(
        [said("$pageview", "u1", 1, set={"$browser": "Chrome", "$os": "Linux", "plan": "pro"})],
        attribute_names="*, -$*, $browser",
    )
    assert sent(first, "identify")["attributes"] == {"$browser": "Chrome", "plan": "pro"}
    assert first.left_out == ["$os"]


LOCAL = [said("$pageview", "u1", 1, **{"$host": "localhost:5173", "$current_url": "http://localhost:5173/"})]


async def test_an_event_that_meets_a_condition_is_not_sent() -> None:
    (event,) = await previewed(LOCAL, ignore_when="$host icontains localhost")
    assert (event.filtered, event.operations) == ("ignored", [])
    (event,) = await previewed(LOCAL)
    assert (event.filtered, actions(event)) == (None, ["identify", "page"])


async def test_my_team_is_told_by_what_is_known_of_them_and_by_what_comes_along() -> None:
    team = r"person.email regex @acme\.com$ or person.role exact staff or distinct_id exact robot"
    story = [
        said("$identify", "ada", 1, set={"email": "ada@acme.com"}),
        said("paid", "ada", 2),
        said("$identify", "bob", 3, set={"email": "bob@example.com"}),
        said("paid", "bob", 4),
        said("$set", "bob", 5, set={"role": "staff"}),
        said("paid", "bob", 6),
        said("paid", "robot", 7),
        {"event": said("paid", "eve", 8), "person": {"properties": {"email": "eve@acme.com"}}},
        said("paid", "kim@acme.com", 9),
    ]
    found = [event.filtered for event in await previewed(story, ignore_when=team)]
    assert found == ["ignored", "ignored", None, None, "ignored", "ignored", "ignored", "ignored", "ignored"]


async def test_what_ignored_events_say_is_known_once_an_event_is_sent() -> None:
    story = [said("paid", "ada", 1, set={"plan": "pro"}, test=True), said("paid", "ada", 2)]
    ignored, after = await previewed(story, ignore_when="test exact true")
    assert (ignored.filtered, ignored.operations) == ("ignored", [])
    assert sent(after, "identify")["attributes"] == {"plan": "pro"}


async def test_events_may_be_left_out_by_pattern() -> None:
    story = [
        said("$ai_generation", "trace", 1, **{"$process_person_profile": False}),
        said("$ai_generation", "u1", 2, **{"$ai_input": ["x" * 60_000, "y" * 60_000]}),
        said("paid", "u1", 3),
    ]
    first, second, paid = await previewed(story, events="-$ai_*")
    assert [first.filtered, second.filtered, paid.filtered] == ["not_in_allowlist", "not_in_allowlist", None]


async def test_a_group_is_an_object_and_its_sender_is_no_customer() -> None:
    groups = {"$group_type": "company", "$group_key": "acme", "$group_set": {"plan": "pro"}}
    story = [said("$groupidentify", "u1", 1, set={"seen": True}, **groups)]
    (event,) = await previewed(story, group_objects="company=1")
    assert [one.body["type"] for one in event.operations] == ["object"]  # type: ignore[index]
    (event,) = await previewed(story)
    assert (event.filtered, event.operations) == ("nothing_to_send", [])


async def test_an_id_that_stands_for_no_person_is_named_and_with_a_filter_never_a_customer() -> None:
    story = [
        said("report exported", "group_event", 1, **{"$groups": {"company": "acme"}, "$process_person_profile": False}),
        said("report exported", "group_event", 2, **{"$groups": {"company": "beta"}}),
    ]
    for whom, reason in (("identified", "not_identified"), ("emails", "no_email")):
        events = await previewed(story, group_objects="company=1", anonymous_users=whom)
        assert [(event.filtered, event.operations) for event in events] == [(reason, []), (reason, [])]
    events = await previewed(story, group_objects="company=1")
    assert [event.adjusted for event in events] == [["no_person:group_event"]] * 2
    assert "group_event (2 events)" in (nobody_hint({"no_person:group_event": 2, "attribute_cut": 1}) or "")
    assert nobody_hint({"attribute_cut": 1}) is None


async def test_attributes_go_under_other_names() -> None:
    story = [
        said("paid", "u1", 1, set={"first_name": "Ada", "plan": "pro"}),
        said("paid", "u1", 2, set={"first_name": "Ada L."}),
        said("paid", "u1", 3),
    ]
    mapping = 'firstname=first_name, source:="posthog, by Hogline", level:=3, identifier=distinct_id, gone=nothing'
    first, second, third = await previewed(story, attribute_mapping=mapping)
    assert sent(first, "identify")["attributes"] == {
        "plan": "pro",
        "firstname": "Ada",
        "source": "posthog, by Hogline",
        "level": 3,
        "identifier": "u1",
    }
    assert sent(second, "identify")["attributes"] == {"firstname": "Ada L."}
    assert actions(third) == ["event"]


async def test_with_a_mapping_alone_nothing_else_is_an_attribute() -> None:
    (event,) = await previewed(
        [said("paid", "u1", 1, set={"first_name": "Ada", "plan": "pro", "email": "ada@example.com"})],
        attribute_mapping="firstname=first_name",
        attribute_names="-*",
    )
    assert sent(event, "identify")["attributes"] == {"email": "ada@example.com", "firstname": "Ada"}


async def test_dates_are_seconds_wherever_they_are() -> None:
    nested: dict[str, Any] = {"renews_at": "2026-11-01T10:00:00Z", "note": "2026-11-01"}
    story = [
        said("booked", "u1", 1, set={"plan": nested}, ends_at="2026-11-02", trip={"from": ["x"], "at": "2026-11-03"})
    ]
    (event,) = await previewed(story, date_attributes="plan.renews_at, event.ends_at, event.trip.*")
    assert sent(event, "identify")["attributes"] == {"plan": {"renews_at": 1793527200, "note": "2026-11-01"}}
    assert sent(event, "event")["attributes"] == {"ends_at": 1793577600, "trip": {"from": ["x"], "at": 1793664000}}


async def test_set_once_counts_only_where_nothing_is_known() -> None:
    def once(number: int, **values: object) -> dict[str, object]:
        return said("paid", "u1", number, **{"$set_once": values})

    story = [
        once(1, source="ad", plan="free"),
        once(2, source="mail", email="ada@example.com"),
        said("paid", "u1", 0, set={"source": "shop"}),
        said("paid", "u1", 4, unset=["plan"]),
        once(5, plan="pro", empty=None),
    ]
    told = [attributes(event) for event in await previewed(story)]
    assert told == [
        [{"source": "ad", "plan": "free"}],
        [{"email": "ada@example.com"}],
        [{"source": "shop"}],
        [{"plan": None}],
        [{"plan": "pro"}],
    ]
    off = await previewed(story, set_once=False)
    assert attributes(off[0]) == [{}]


async def test_where_posthogs_person_comes_along_set_once_is_what_posthog_made_of_it() -> None:
    its = {
        "event": said("paid", "u1", 1, **{"$set_once": {"source": "ad"}}),
        "person": {"properties": {"source": "shop"}},
    }
    (event,) = await previewed([its])
    assert sent(event, "identify")["attributes"] == {"source": "shop"}
    (event,) = await previewed([its], attributes_from="person")
    assert sent(event, "identify")["attributes"] == {"source": "shop"}


async def test_the_event_set_once_makes_a_customer_of_whoever_it_says_something_of() -> None:
    (event,) = await previewed([said("$set_once", "u1", 1, **{"$set_once": {"source": "ad"}})])
    assert (event.filtered, actions(event)) == (None, ["identify"])
