"""A preview shows what delivery would do, event by event, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from preview_cases import lines_of, previewed, recorded, said
from service_bench import GOOD, ServiceBench, bench_in, send_lines

from hogline.backfill.views import JoinedView, PreviewedEvent
from hogline.service import Service

pytestmark = pytest.mark.anyio

ADA = {"email": "ada@example.com"}
SIGNS_UP = [
    said("$pageview", "visit", 0, url="/"),
    said("looked", "visit", 1, set={"plan": "free"}),
    said("$identify", "ada", 2, anon="visit", set=ADA),
    said("ordered", "visit", 3),
]
ALIASES = [
    said("ordered", "phone", 0, set={"plan": "pro"}),
    said("$identify", "ada", 1, set=ADA),
    said("$create_alias", "ada", 2, alias="phone"),
    said("$set", "phone", 3, unset=["plan"]),
    said("ordered", "ada", 4),
]
TWO_CLAIM_ONE_EMAIL = [
    said("$identify", "ada", 0, set=ADA),
    said("$identify", "other", 1, set={"email": "ADA@example.com"}),
    said("ordered", "other", 2),
    said("$identify", "ada", 3, set={"email": "ada@example.org"}),
    said("ordered", "ada", 4),
]
EMAIL_COMES_LATER = [
    said("ordered", "ada", 0),
    said("$set", "ada", 1, set=ADA),
    said("ordered", "ada", 2),
    said("big", "ada", 3, text="x" * 40_000),
]
EMAIL_IS_GIVEN_UP = [
    said("$identify", "ada", 0, set=ADA),
    said("$identify", "ada", 1, set={"email": "ada@example.org"}),
    said("$identify", "other", 2, set=ADA),
    said("ordered", "other", 3),
]
KNOWN_BEFORE_THEIR_EMAIL = [
    said("looked", "visit", 0),
    said("looked", "ada", 1),
    said("$identify", "ada", 2, anon="visit"),
    said("$set", "visit", 3, set=ADA),
    said("$identify", "ada", 4, anon="phone"),
]
HOLD = {"anonymous_users": "identified", "hold_days": 30}

STORIES: dict[str, tuple[list[dict[str, object]], dict[str, object]]] = {
    "a visitor signs up": (SIGNS_UP, {}),
    "a visitor signs up, of whom events were held": (SIGNS_UP, HOLD),
    "a visitor signs up, who is not to be merged": (SIGNS_UP, {"merge_people": False}),
    "a visitor signs up, whose events were anonymous": (SIGNS_UP, {"anonymous_users": "anonymous-events"}),
    "a visitor signs up, by email": (SIGNS_UP, {"identify_by_email": True}),
    "another id of somebody who is a customer already": (ALIASES, {}),
    "another id, by email and only with emails": (ALIASES, {"identify_by_email": True, "anonymous_users": "emails"}),
    "two claim one email": (TWO_CLAIM_ONE_EMAIL, {"identify_by_email": True}),
    "the email comes later": (EMAIL_COMES_LATER, {"identify_by_email": True}),
    "an email is given up and taken by another": (EMAIL_IS_GIVEN_UP, {"identify_by_email": True}),
    "what was held of a visitor waits on as the user's": (
        KNOWN_BEFORE_THEIR_EMAIL,
        {"anonymous_users": "emails", "hold_days": 30},
    ),
    "only orders are sent": (SIGNS_UP, {"event_allowlist": "ordered, looked", **HOLD}),
}


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServiceBench]:
    monkeypatch.setenv("HOGLINE_MERGE_DELAY_S", "0")
    async with bench_in(tmp_path) as made:
        yield made


async def send(service: Service, story: Sequence[dict[str, object]]) -> None:
    handle = await service.sendings.begin()
    assert await send_lines(service, handle, lines_of(story)) == []
    (delivery,) = await service.sendings.show(handle, 10.0)
    assert delivery.pending == 0
    await service.sendings.end(handle)


async def preview(service: Service, story: Sequence[dict[str, object]]) -> list[PreviewedEvent]:
    handle = await service.previews.begin()
    events, bad = await service.previews.lines(handle, lines_of(story))
    assert bad == []
    await service.previews.end(handle)
    return events


def bodies(event: PreviewedEvent) -> list[Any]:
    """All that is to be sent, in its order."""
    released = [operation for held in event.released for operation in held.operations]
    return [operation.body for operation in (*released, *event.operations, *event.follows)]


@pytest.mark.parametrize(("story", "options"), STORIES.values(), ids=STORIES.keys())
async def test_what_is_previewed_is_what_is_delivered(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch, story: list[dict[str, object]], options: dict[str, object]
) -> None:
    asked = recorded(monkeypatch)
    await bench.service.connections.add("customerio", {**GOOD, **options})
    shown = [bodies(event) for event in await preview(bench.service, story)]
    assert any(shown)
    for event, expected in zip(story, shown, strict=True):
        asked.clear()
        await send(bench.service, [event])
        async with asyncio.timeout(10):
            while len(asked) < len(expected):  # merges come after their pause
                await asyncio.sleep(0.001)
        assert asked == expected


async def test_a_held_event_says_so_and_the_one_that_sets_it_free_shows_it_with_its_line() -> None:
    first, second, identified, after = await previewed(SIGNS_UP, **HOLD)
    assert [(event.filtered, event.held, event.operations) for event in (first, second)] == [
        ("not_identified", True, [])
    ] * 2
    assert [(held.event, held.distinct_id, held.line, held.refused) for held in identified.released] == [
        ("$pageview", "visit", 1, None),
        ("looked", "visit", 2, None),
    ]
    assert [operation.action for operation in identified.released[0].operations] == ["identify", "page"]
    assert [operation.action for operation in identified.operations] == ["event"]
    assert (identified.filtered, identified.held, after.released) == (None, False, [])


async def test_who_is_joined_is_named_and_what_comes_under_the_old_id_is_theirs() -> None:
    first, _, identified, after = await previewed(SIGNS_UP)
    assert (first.person, first.joined) == ("visit", None)
    assert identified.joined == JoinedView(distinct_id="visit", into="ada")
    assert (after.distinct_id, after.person, after.joined) == ("visit", "ada", None)
    assert after.operations[0].body["identifiers"] == {"id": "ada"}  # type: ignore[index]


async def test_the_merge_that_follows_is_shown_with_the_event_that_joins() -> None:
    events = await previewed(SIGNS_UP)
    (merge,) = events[2].follows
    assert merge.body == {
        "type": "person",
        "action": "merge",
        "primary": {"id": "ada"},
        "secondary": {"id": "visit"},
    }
    assert [event.follows for event in (events[0], events[1], events[3])] == [[], [], []]
    assert [event.follows for event in await previewed(SIGNS_UP, merge_people=False)] == [[]] * 4


async def test_a_second_person_with_the_same_email_stays_under_their_id() -> None:
    events = await previewed(TWO_CLAIM_ONE_EMAIL, identify_by_email=True)
    assert "email_taken" in events[1].adjusted
    assert events[2].operations[0].body["identifiers"] == {"id": "other"}  # type: ignore[index]


async def test_a_released_event_that_can_never_be_accepted_says_why() -> None:
    story = [said("huge", "visit", 0, text="x" * 200_000), said("$identify", "visit", 1)]
    held, identified = await previewed(story, **HOLD)
    assert held.held
    assert [(released.refused, [one.action for one in released.operations]) for released in identified.released] == [
        ("event_too_large", ["identify"])
    ]


async def test_who_is_known_already_is_known_to_a_preview_and_stays_as_they_were(bench: ServiceBench) -> None:
    service = bench.service
    await service.connections.add("customerio", {**GOOD, **HOLD, "identify_by_email": True})
    await send(service, [said("$identify", "ada", 0, set=ADA), said("looked", "visit", 1), said("looked", "visit", 2)])
    before = (await service.people.find(""), await service.status.show())
    for _ in range(2):
        known, taken, joined = await preview(
            service,
            [
                said("ordered", "ada", 3),
                said("$identify", "other", 4, set=ADA),
                said("$identify", "ada", 5, anon="visit"),
            ],
        )
        assert [operation.action for operation in known.operations] == ["event"]
        assert "email_taken" in taken.adjusted
        assert [(held.event, held.line) for held in joined.released] == [("looked", None), ("looked", None)]
    assert (await service.people.find(""), await service.status.show()) == before


async def test_somebody_suppressed_is_shown_as_not_sent(bench: ServiceBench) -> None:
    service = bench.service
    await service.connections.add("customerio", GOOD)
    await send(service, [said("$identify", "ada", 0)])
    await service.forgetting.forget("ada", suppress=True)
    (event,) = await preview(service, [said("ordered", "ada", 1)])
    assert (event.filtered, event.operations) == ("suppressed", [])


async def test_a_broken_line_is_named_and_the_others_are_shown(bench: ServiceBench) -> None:
    handle = await bench.service.previews.begin()
    lines = lines_of([said("one", "ada"), said("two", "ada")])
    events, bad = await bench.service.previews.lines(handle, [lines[0], (2, b"{"), (3, lines[1][1])])
    await bench.service.previews.end(handle)
    assert [(event.line, event.event) for event in events] == [(1, "one"), (3, "two")]
    assert [line.number for line in bad] == [2]
