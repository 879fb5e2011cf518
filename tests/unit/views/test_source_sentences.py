"""What is said of a source that was added is what it does, not what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from hogline.views.connections import SourceView
from hogline.views.source_sentences import added, dismissed, paused, removed, resumed, span


def view(**more: Any) -> SourceView:
    fields: dict[str, Any] = {
        "name": "posthog",
        "address": "posthog://eu.posthog.com/1",
        "every_s": 300,
        "state": "fetching",
        "reason": None,
        "trouble_s": 0.0,
        "up_to_ms": 1_793_527_200_000,
        "fetched_ms": 0,
        "settled": 0,
        "by": "",
    }
    return SourceView(**fields | more)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            view(),
            "posthog fetches from posthog://eu.posthog.com/1 every 5m, what PostHog received since 2026-11-01 10:00:00 UTC.",
        ),
        (
            view(only_gaps=True, every_s=7_200),
            "posthog fetches from posthog://eu.posthog.com/1 every 2h, what Kafka missed.",
        ),
        (
            view(name="kafka", kind="kafka", address="kafka://kafka:9092/events", every_s=0),
            "kafka reads from kafka://kafka:9092/events, since 2026-11-01 10:00:00 UTC.",
        ),
    ],
)
def test_what_it_does(source: SourceView, sentence: str) -> None:
    assert added(source) == sentence


def test_what_happened_to_it() -> None:
    assert [said("kafka") for said in (paused, resumed, dismissed, removed)] == [
        "kafka is paused.",
        "kafka continues.",
        "Dismissed what kafka missed.",
        "kafka is removed; its key or settings are deleted.",
    ]
    assert span(90) == "90s"
