"""Faults that were found by running other connectors; Hogline has none of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from customerio_cases import NOW_S, UUID, Made, actions, bodies, body, event, history, options, plan
from people_bench import PeopleBench, said

from hogline.model import Event, Identifier, Response
from hogline.posthog.json_text import read_text


def identifiers(*plans: Made) -> set[str]:
    return {str(one["identifiers"]) for made in plans for one in bodies(made)}


@pytest.mark.parametrize("by_email", [False, True], ids=["identified by id", "identified by email"])
def test_an_id_that_is_an_email_address_goes_out_as_one_kind_of_identifier_everywhere(by_email: bool) -> None:  # noqa: FBT001 - one case each
    plans, _ = history(
        event("$identify", "ada@example.com", set={"plan": "pro"}),
        event("$pageview", "ada@example.com"),
        event("$set", "ada@example.com", set={"plan": "team"}),
        event("big", "ada@example.com", properties={"text": "x" * 31_000}),
        with_options=options(identify_by_email=by_email),
    )
    kind = "email" if by_email else "id"
    assert identifiers(*plans) == {f"{{'{kind}': 'ada@example.com'}}"}


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati"])
def server_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setitem(os.environ, "TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("server_zone")
@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1990-05-04", 641_779_200),
        ("1990-05-04T00:00:00", 641_779_200),
        ("1990-05-04T02:00:00+02:00", 641_779_200),
        ("1969-12-31", -86_400),
        ("1931-01-15", -1_229_558_400),
        (-1_229_558_400, -1_229_558_400),
    ],
)
def test_a_date_of_birth_is_the_same_in_every_servers_time_zone_and_before_1970_too(
    written: object, seconds: int
) -> None:
    made = plan(event(set={"dob": written}), None, options(date_attributes="dob"))
    assert bodies(made)[0]["attributes"] == {"dob": seconds}


@pytest.mark.parametrize("sku", ["2024-01-02", "20240102", "1990-05", "12/24", "2024-01-02-XL", "1700000000"])
def test_a_date_like_sku_stays_text(sku: str) -> None:
    made = plan(event(properties={"sku": sku}, set={"last_sku": sku}), None)
    assert bodies(made)[0]["attributes"] == {"last_sku": sku}
    assert bodies(made)[1]["attributes"] == {"sku": sku}


def test_created_at_in_seconds_is_not_divided_again() -> None:
    (made, again), _ = history(*[event(set={"created_at": 1_700_000_000})] * 2)
    assert bodies(made)[0]["attributes"] == {"created_at": 1_700_000_000}
    assert actions(again) == ["event"]


@pytest.mark.parametrize("written", [1_700_000_000_123, 1_700_000_000_123.0, "1700000000123"])
def test_milliseconds_are_recognised(written: object) -> None:
    assert bodies(plan(event(set={"created_at": written}), None))[0]["attributes"] == {"created_at": 1_700_000_000}


def test_a_300_character_event_name_is_cut_and_sent() -> None:
    made = plan(event("n" * 300), None)
    assert bodies(made)[1]["name"] == "n" * 100
    assert (made.adjusted, made.reasons) == (("event_name_cut",), [])


def test_a_40_kb_event_is_sent_by_the_route_that_takes_it() -> None:
    made = plan(event(properties={"text": "x" * 40_000}), None)
    assert made.reasons == []
    assert made.operations[-1].path == "/api/v1/customers/u1/events"
    assert len(body(made.operations[-1])["data"]["text"]) == 40_000


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "x", "properties": {"total": 3}}',
        b'{"event": "x", "distinct_id": "", "properties": {}}',
        b'{"event": "x", "distinct_id": "   "}',
        b'{"event": "x", "distinct_id": null}',
    ],
)
def test_an_event_without_any_identity_is_refused_at_the_door_and_counted(line: bytes) -> None:
    batch = read_text(line, NOW_S * 1_000)
    assert (len(batch.received), batch.refused) == (0, {"distinct_id_missing": 1})


@pytest.mark.parametrize("choice", ["identified", "anonymous-events"])
def test_an_allowlist_without_identify_still_makes_the_customer(choice: str) -> None:
    chosen = options(anonymous_users=choice, event_allowlist="ordered")
    plans, life = history(
        event("$identify", set={"plan": "pro"}), event("$pageview"), event("ordered"), with_options=chosen
    )
    assert [made.filtered for made in plans] == ["not_in_allowlist", "not_in_allowlist", None]
    assert actions(plans[2]) == ["identify", "event"]
    assert bodies(plans[2])[0]["attributes"] == {"plan": "pro"}
    assert life.customer() == Identifier("id", "u1")


def test_the_first_event_filtered_then_identified_makes_the_customer() -> None:
    plans, life = history(
        event("$pageview", set={"plan": "free"}),
        event("$identify"),
        with_options=options(anonymous_users="identified"),
    )
    assert [made.filtered for made in plans] == ["not_identified", None]
    assert actions(plans[1]) == ["identify", "event"]
    assert bodies(plans[1])[0]["attributes"] == {"plan": "free"}
    assert life.customer() == Identifier("id", "u1")


@pytest.mark.parametrize("by_email", [False, True], ids=["identified by id", "identified by email"])
def test_an_email_present_only_on_the_first_event_makes_one_customer(by_email: bool) -> None:  # noqa: FBT001 - one case each
    chosen = options(anonymous_users="emails", identify_by_email=by_email)
    plans, _ = history(
        event("signed up", set={"email": "ada@example.com"}), event("$pageview"), event("ordered"), with_options=chosen
    )
    assert [made.filtered for made in plans] == [None, None, None]
    assert len(identifiers(*plans)) == 1


@pytest.mark.anyio
async def test_a_207_for_one_item_of_two_is_a_failure_for_that_one_alone(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect()
    await bench.deliver(said("hello", "ada", 1), said("hello", "bob", 2))
    bench.server.script = [lambda operations: _refusing(operations, "ada")]
    counts = await bench.deliver(said("ordered", "ada", 3), said("ordered", "bob", 4))
    assert (counts.delivered, counts.failures) == (3, {"invalid": 1})
    (letter,) = await bench.state.failures(bench.connection.id)
    assert letter.position == 3
    await bench.close()


def _refusing(operations: list[dict[str, object]], who: str) -> Response:
    (index,) = [n for n, one in enumerate(operations) if one["identifiers"] == {"id": who}]
    return Response(207, {}, b'{"errors":[{"batch_index":%d,"reason":"invalid","message":"no"}]}' % index)


def test_group_traits_arriving_without_a_wrapper_are_the_groups() -> None:
    properties: dict[str, object] = {"$group_type": "company", "$group_key": "acme", "plan": "pro"}
    made = plan(event("$groupidentify", properties=properties), None, options(group_objects="company=1"))
    assert [one["attributes"] for one in bodies(made)] == [{"plan": "pro"}]


def test_the_same_event_again_is_the_same_operations_byte_for_byte() -> None:
    it: Event = event(set={"plan": "pro"}, uuid=UUID)
    assert plan(it).operations == plan(it).operations
