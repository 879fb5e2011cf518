"""A forecast shows what a file of events comes to under each choice of who is sent, before anything is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from preview_cases import connection, lines_of, recorded, rows_of, said
from service_bench import GOOD, ServiceBench, bench_in, rows_in, send_lines

from hogline.backfill.forecast import Forecast
from hogline.backfill.views import ChoiceForecast, ForecastView
from hogline.cli.previews import print_forecast
from hogline.service import CannotDo, Service
from hogline.store.base import Connection
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio

CHOICES = ("all", "identified", "emails", "anonymous-events")
SAMPLES = sorted((Path(__file__).parents[3] / "samples").glob("*.jsonl"))
STORY = [
    said("$pageview", "visit-1", 0),
    said("$pageview", "visit-2", 1, set={"plan": "free"}),
    said("$pageview", "visit-3", 2),
    said("$identify", "ada", 3, anon="visit-1", set={"email": "ada@example.com"}),
    said("ordered", "visit-1", 4),
    said("$identify", "bob", 5),
    said("$snapshot", "ada", 6),
    said("$set", "ada", 7, set={"plan": "pro"}),
    said("huge", "bob", 8, text="x" * 200_000),
    said("ordered", "ada", 9, recipient="somebody@example.com"),
]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServiceBench]:
    monkeypatch.setenv("HOGLINE_MERGE_DELAY_S", "0")
    async with bench_in(tmp_path) as made:
        yield made


async def forecast(
    story: Sequence[Mapping[str, object]], made_for: Connection | None = None, hold_max_bytes: int = 10_000_000
) -> dict[str, ChoiceForecast]:
    made = Forecast(made_for, SkippingClock(date_moves=False), hold_max_bytes=hold_max_bytes)
    await made.rows(rows_of(story))
    return by_choice(await made.view())


def by_choice(view: ForecastView) -> dict[str, ChoiceForecast]:
    assert tuple(one.choice for one in view.choices) == CHOICES
    for one in view.choices:
        assert_adds_up(one, view.events)
    return {one.choice: one for one in view.choices}


def assert_adds_up(one: ChoiceForecast, events: int) -> None:
    assert one.delivered + sum(one.filtered.values()) + one.held + sum(one.failures.values()) == events


async def through(service: Service, lines: Sequence[tuple[int, bytes]], name: str = "") -> ForecastView:
    handle = await service.forecasts.begin(name)
    await service.forecasts.rows(handle, rows_in(lines)[0])
    view = await service.forecasts.show(handle)
    await service.forecasts.end(handle)
    return view


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("all", {"customers": 5, "customers_left": 4, "people": 4, "delivered": 8, "anonymous": 0}),
        ("identified", {"customers": 2, "customers_left": 2, "people": 3, "delivered": 5, "anonymous": 0}),
        ("emails", {"customers": 1, "customers_left": 1, "people": 3, "delivered": 4, "anonymous": 0}),
        ("anonymous-events", {"customers": 2, "customers_left": 2, "people": 4, "delivered": 8, "anonymous": 3}),
    ],
)
async def test_each_choice_has_its_customers_and_its_events(choice: str, expected: dict[str, int]) -> None:
    found = (await forecast(STORY))[choice]
    assert {name: getattr(found, name) for name in expected} == expected


async def test_what_each_rule_filters_and_adjusts_is_counted_by_reason() -> None:
    found = await forecast(STORY)
    assert {choice: one.filtered for choice, one in found.items()} == {
        "all": {"snapshot": 1},
        "identified": {"not_identified": 3, "snapshot": 1},
        "emails": {"no_email": 5, "snapshot": 1},
        "anonymous-events": {"snapshot": 1},
    }
    assert {choice: one.failures for choice, one in found.items()} == {
        "all": {"event_too_large": 1},
        "identified": {"event_too_large": 1},
        "emails": {},
        "anonymous-events": {"event_too_large": 1},
    }
    assert {one.adjusted.get("overrides_campaign", 0) for one in found.values()} <= {0, 1}
    assert all(one.adjusted for one in found.values())


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("options", [{}, {"hold_days": 30}, {"identify_by_email": True}], ids=str)
async def test_what_is_forecast_is_what_becomes_of_the_file(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch, choice: str, options: dict[str, object]
) -> None:
    asked, service = recorded(monkeypatch), bench.service
    await service.connections.add("customerio", {**GOOD, **options, "anonymous_users": choice})
    found = by_choice(await through(service, lines_of(STORY)))[choice]
    handle = await service.sendings.begin()
    await send_lines(service, handle, lines_of(STORY))
    await service.sendings.show(handle, 10.0)
    await service.sendings.end(handle)
    (status,) = (await service.status.show()).connections
    assert (found.delivered, found.filtered, found.held, found.failures, found.adjusted) == (
        (status.delivered, status.filtered, status.held, status.failures, status.adjusted)
    )
    assert found.customers == len(customers(asked))
    assert found.anonymous == sum("anonymous_id" in operation for operation in asked)


def customers(asked: Sequence[dict[str, Any]]) -> set[str]:
    """Whom Customer.io was asked to create: an email that is linked to an id is no customer of its own."""
    identified = [operation for operation in asked if operation.get("action") == "identify"]
    linked = {one["attributes"].get("email") for one in identified if "id" in one["identifiers"]}
    return {value for one in identified for value in one["identifiers"].values()} - linked


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
async def test_every_shape_can_be_forecast(sample: Path) -> None:
    made = Forecast(None, SkippingClock(date_moves=False), hold_max_bytes=0)
    await made.rows(rows_in(enumerate(sample.read_bytes().splitlines(), 1))[0])
    assert by_choice(await made.view())["all"].customers > 0


async def test_customers_that_are_merged_stay_on_the_bill() -> None:
    story = [
        said("$pageview", "visit", 0),
        said("$identify", "ada", 1, anon="visit"),
        said("$identify", "ada", 2, anon="tab"),
    ]
    found = await forecast(story)
    assert (found["all"].customers, found["all"].customers_left, found["all"].people) == (2, 1, 1)
    kept = await forecast(story, connection(merge_people=False))
    assert (kept["all"].customers, kept["all"].customers_left) == (2, 2)


async def test_held_events_wait_for_who_never_qualifies_and_are_delivered_for_who_does() -> None:
    story = [*(said("looked", visitor, n) for n, visitor in enumerate(("a", "a", "b"))), said("$identify", "a", 3)]
    found = await forecast(story, connection(hold_days=30))
    assert (found["identified"].held, found["identified"].delivered) == (1, 3)
    assert (found["emails"].held, found["emails"].delivered) == (4, 0)
    assert (found["all"].held, found["anonymous-events"].held) == (0, 0)


async def test_a_held_event_counts_as_delivered_once_it_is_set_free_however_late() -> None:
    made = Forecast(connection(hold_days=30), SkippingClock(date_moves=False), hold_max_bytes=10_000)
    await made.rows(rows_of([said("looked", "a", 0), said("looked", "b", 1)]))
    assert [one.held for one in (await made.view()).choices] == [0, 2, 2, 0]
    await made.rows(rows_of([said("$identify", "a", 2), said("$identify", "a", 3, anon="tab")]))
    found = by_choice(await made.view())["identified"]
    assert (found.held, found.delivered) == (1, 3)


async def test_of_two_who_claim_one_email_the_second_is_a_customer_under_their_id() -> None:
    story = [said("$identify", one, n, set={"email": "ada@example.com"}) for n, one in enumerate(("ada", "other"))]
    found = await forecast(story, connection(identify_by_email=True))
    assert (found["all"].customers, found["all"].adjusted) == (2, {"email_taken": 1})


async def test_of_one_person_the_newest_200_events_are_held_and_in_all_so_many_bytes() -> None:
    story = [said("looked", "a", n) for n in range(203)]
    found = (await forecast(story, connection(hold_days=30)))["identified"]
    assert (found.held, found.filtered) == (200, {"hold_too_many": 3})
    found = (await forecast(story, connection(hold_days=30), hold_max_bytes=1_000))["identified"]
    assert 0 < found.held < 20
    assert found.filtered == {"hold_too_many": 3, "hold_full": 200 - found.held}


async def test_requests_are_full_and_what_travels_alone_is_one() -> None:
    text = "x" * 24_000
    events = [said("looked", "a", n, text=text) for n in range(50)]
    assert (await forecast(events))["all"].requests == 3  # 20 of these fit into 500,000 bytes
    assert (await forecast(events))["anonymous-events"].requests == 50
    assert (await forecast([said("big", "a", n, text=text * 2) for n in range(3)]))["all"].requests == 4


async def test_a_long_file_comes_to_the_same_in_portions_as_at_once() -> None:
    story = [
        said(
            "$identify" if n % 5 == 0 else "looked",
            f"u{n % 700}",
            n,
            **({"anon": f"u{n % 90}"} if n % 35 == 0 else {}),
        )
        for n in range(4_500)
    ]
    lines = [(number, msgspec.json.encode({**event, "timestamp": None})) for number, event in enumerate(story, 1)]
    whole, portions = (Forecast(None, SkippingClock(date_moves=False), hold_max_bytes=0) for _ in range(2))
    await whole.rows(rows_in(lines)[0])
    for first in range(0, len(lines), 400):
        await portions.rows(rows_in(lines[first : first + 400])[0])
    found, again = await whole.view(), await portions.view()
    by_choice(found)
    assert [msgspec.structs.replace(one, requests=0) for one in found.choices] == [
        msgspec.structs.replace(one, requests=0) for one in again.choices
    ]


async def test_a_forecast_has_the_connections_other_options_and_names_its_choice(bench: ServiceBench) -> None:
    service = bench.service
    story = lines_of(STORY)
    defaults = await through(service, story)
    assert (defaults.connection, defaults.now) == (None, None)
    await service.connections.add("customerio", {**GOOD, "event_allowlist": "ordered"}, name="shop")
    view = await through(service, story)
    assert (view.connection, view.now) == ("shop", "all")
    assert by_choice(view)["all"].filtered["not_in_allowlist"] == 7
    await service.connections.configure("shop", {"anonymous_users": "emails"})
    assert (await through(service, story)).now == "emails"


async def test_a_forecast_begins_with_nobody_known_and_changes_nothing(bench: ServiceBench) -> None:
    service = bench.service
    await service.connections.add("customerio", {**GOOD, "merge_people": False})
    handle = await service.sendings.begin()
    await send_lines(service, handle, lines_of(STORY))
    await service.sendings.show(handle, 10.0)
    await service.sendings.end(handle)
    before = (await service.people.find(""), await service.status.show())
    assert by_choice(await through(service, lines_of(STORY)))["all"].customers == 5
    assert (await service.people.find(""), await service.status.show()) == before


async def test_with_two_connections_one_has_to_be_named(bench: ServiceBench) -> None:
    service = bench.service
    for name in ("one", "two"):
        await service.connections.add("customerio", GOOD, name=name)
    with pytest.raises(CannotDo, match=r"--connection: one, two\."):
        await service.forecasts.begin()
    assert (await through(service, [], "two")).connection == "two"


async def test_a_destination_that_sends_everybody_has_no_forecast(bench: ServiceBench) -> None:
    service = bench.service
    await service.connections.add("engage", {"public_key": "p", "secret_key": "s"}, paused=True)
    with pytest.raises(CannotDo, match="Engage has no option for who is sent"):
        await service.forecasts.begin("engage")
    assert (await through(service, lines_of(STORY))).connection is None


async def test_a_forecast_that_was_ended_or_abandoned_is_not_under_way(bench: ServiceBench) -> None:
    service = bench.service
    ended = await service.forecasts.begin()
    await service.forecasts.end(ended)
    with pytest.raises(CannotDo, match="This upload expired"):
        await service.forecasts.show(ended)
    abandoned = await service.forecasts.begin()
    await service.clock.sleep(601)
    await service.forecasts.begin()
    with pytest.raises(CannotDo, match="This upload expired"):
        await service.forecasts.rows(abandoned, [])


async def test_the_table_has_a_column_for_each_choice_and_says_what_is_billed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Forecast(connection(anonymous_users="emails"), SkippingClock(date_moves=False), hold_max_bytes=0)
    await made.rows(rows_of(STORY))
    print_forecast(await made.view())
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "10 events, with the options of customerio, starting with no known people."
    rows = {line[:22].strip(): line[22:].split() for line in shown[1:-2]}
    assert rows["anonymous users"] == ["all", "identified", "emails", "(now)", "anonymous-events"]
    assert rows["customers created"] == ["5", "2", "1", "2"]
    assert rows["left after merges"] == ["4", "2", "1", "2"]
    assert rows["not_identified"] == ["-", "3", "-", "-"]
    assert any("Customer.io bills by customers" in line for line in shown)
