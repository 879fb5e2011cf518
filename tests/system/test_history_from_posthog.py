"""hogline send posthog://…: events straight from PostHog (an emulator of its file download API)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from posthog_emulator import KEY, PROJECT, PostHog, emulated

from hogline.backfill.files import CannotRead
from hogline.backfill.posthog import PostHogExports, weeks
from hogline.backfill.reading import Reading
from hogline.posthog.entry import event_of
from hogline.testing.processes import all_events, connect, hogline

START = datetime(2026, 10, 1, tzinfo=UTC)


def row(number: int) -> dict[str, Any]:
    return {
        "uuid": str(UUID(int=0x0199F3A0 << 96 | number)),
        "event": "ordered",
        "distinct_id": f"user-{number % 7}",
        "person_id": str(UUID(int=number % 7)),
        "properties": {"n": number},
        "person_properties": None,
        "timestamp": (START + timedelta(hours=5 * number)).isoformat(),
    }


@pytest.fixture
def posthog() -> Iterator[PostHog]:
    with emulated() as made:
        made.events = Random(2).sample([row(number) for number in range(100)], 100)
        made.part_events = 7
        yield made


class Reader:
    """Reads four weeks of events; waiting is counted, not done."""

    def __init__(self, posthog: PostHog, key: str = KEY) -> None:
        self.waited_s: list[float] = []
        self.exports = PostHogExports(f"posthog://{posthog.url}/{PROJECT}", key, sleep=self.waited_s.append)

    def numbers(self, until: datetime = START + timedelta(days=28)) -> list[object]:
        reading = Reading(self.exports.files(START, until), 2**41)
        found = sorted(event_of(read.entry).properties["n"] for read in reading)  # type: ignore[type-var]
        assert reading.first_bad == []
        return list(found)


def test_four_weeks_are_four_exports_of_some_parts_and_an_empty_week_is_none(posthog: PostHog) -> None:
    assert Reader(posthog).numbers() == list(range(100))
    assert [len(export["files"]) for export in posthog.exports] == [5, 5, 5, 0]
    assert {export["body"]["model"] for export in posthog.exports} == {"events"}


def test_weeks_leave_no_gap() -> None:
    found = list(weeks(START, START + timedelta(days=17, hours=3)))
    assert found[0][0] == START
    assert found[-1][1] == START + timedelta(days=17, hours=3)
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert all(end - start <= timedelta(days=7) for start, end in found)


@pytest.mark.parametrize("troubles", [[429, 429], [500, 503], [429, 500, 502]])
def test_it_waits_when_posthog_is_busy_or_has_trouble(posthog: PostHog, troubles: list[int]) -> None:
    posthog.troubles = list(troubles)
    reader = Reader(posthog)
    assert reader.numbers() == list(range(100))
    assert sum(reader.waited_s) >= 2 ** len(troubles) - 1


def test_an_address_that_expired_is_asked_for_anew(posthog: PostHog) -> None:
    reader = Reader(posthog)
    files = reader.exports.files(START, START + timedelta(days=7))
    stream = files[0].open()
    posthog.troubles = [403, 403]
    with stream:
        assert len(stream.read()) > 100
    assert posthog.troubles == []


def test_an_export_that_failed_for_a_while_is_started_again(posthog: PostHog) -> None:
    posthog.ends = ["FailedRetryable", "TimedOut"]
    assert Reader(posthog).numbers() == list(range(100))
    assert len(posthog.exports) == 6


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda posthog: posthog.ends.append("FailedBilling"), "ended as FailedBilling: The export failed"),
        (lambda posthog: posthog.ends.extend(["FailedRetryable"] * 3), "ended as FailedRetryable"),
        (lambda posthog: posthog.troubles.extend([429] * 20), "busy with other exports"),
        (lambda posthog: posthog.troubles.extend([500] * 20), "has a problem"),
        (lambda posthog: posthog.troubles.extend([404, 404]), "has no such project, or your key has no access"),
        (lambda posthog: posthog.troubles.append(403), "needs the scopes batch_export:read and batch_export:write"),
    ],
)
def test_what_does_not_pass_is_one_sentence(posthog: PostHog, break_it: Any, sentence: str) -> None:
    break_it(posthog)
    with pytest.raises(CannotRead, match=sentence):
        Reader(posthog).numbers()


def test_where_there_are_no_exports_events_are_queried_and_none_of_a_moment_is_lost(
    posthog: PostHog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.backfill.posthog_query.PAGE_ROWS", 3)
    posthog.has_exports = False
    same = (START + timedelta(hours=5, microseconds=7)).isoformat()
    posthog.events += [row(number) | {"timestamp": same} for number in range(100, 110)]
    posthog.troubles = [429, 503]
    reader = Reader(posthog)
    assert reader.numbers() == list(range(110))
    assert reader.waited_s == [1.0, 2.0]
    assert len(posthog.queries) > 28


def test_a_key_that_posthog_does_not_know(posthog: PostHog) -> None:
    with pytest.raises(CannotRead, match="does not know this personal API key"):
        Reader(posthog, "phx_another_key").numbers()


@pytest.mark.parametrize("source", ["posthog://eu.posthog.com", "posthog://eu.posthog.com/shop", "posthog:///42"])
def test_an_address_without_a_project_is_refused(source: str) -> None:
    with pytest.raises(CannotRead, match="posthog"):
        PostHogExports(source, KEY)


def test_the_command_sends_them_in_order(data: Path, sandbox: str, posthog: PostHog) -> None:
    connect(data, sandbox)
    source = f"posthog://{posthog.url}/{PROJECT}"
    window = ("--since", "2026-10-01", "--until", "2026-10-22")
    done = hogline(data, "send", source, *window, HOGLINE_POSTHOG_API_KEY=KEY)
    assert "100 received, 100 delivered" in done.stdout
    by_person: dict[str, list[int]] = {}
    for event in all_events(sandbox):
        by_person.setdefault(event["person"]["id"], []).append(event["data"]["n"])
    assert all(numbers == sorted(numbers) for numbers in by_person.values())
    assert "--since" in hogline(data, "send", source, code=1, HOGLINE_POSTHOG_API_KEY=KEY).stderr
    assert KEY not in done.stdout + done.stderr
