"""Gaps: what is kept of them, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hogline.service import gaps
from hogline.store.datadir.secrets import Vault
from hogline.store.datadir.sources import Gap, Source, Sources, Topic

MINUTE_MS = 60_000


def gap(**more: int) -> Gap:
    fields: dict[str, Any] = {
        "partition": 0,
        "first": 7,
        "records": 5,
        "from_ms": 10 * MINUTE_MS,
        "to_ms": 20 * MINUTE_MS,
    }
    return Gap(**fields | more)


@pytest.fixture
def kept(tmp_path: Path) -> Sources:
    made = Sources(tmp_path, Vault(Vault.new_key()))
    about: dict[str, Any] = {"up_to_ms": 1, "created_ms": 1}
    made.put(Source(name="kafka", address="kafka://kafka:9092/t", run=-1, topic=Topic(id="", project=1), **about))
    made.put(Source(name="posthog", address="posthog://eu.posthog.com/1", run=-2, only_gaps=True, **about))
    return made


def found(kept: Sources) -> tuple[Gap, ...]:
    topic = kept.get("kafka").topic
    assert topic is not None
    return topic.gaps


@pytest.mark.parametrize(
    ("again", "both"),
    [
        ({}, {}),
        ({"to_ms": 30 * MINUTE_MS, "records": 9}, {"to_ms": 30 * MINUTE_MS, "records": 9}),
        ({"from_ms": 15 * MINUTE_MS, "to_ms": 17 * MINUTE_MS, "records": 2}, {}),
        ({"from_ms": MINUTE_MS}, {"from_ms": MINUTE_MS}),
        ({"records": 0}, {"records": 0}),
    ],
)
def test_a_gap_that_is_noted_again_never_shrinks(kept: Sources, again: dict[str, int], both: dict[str, int]) -> None:
    for one in (gap(), gap(**again)):
        gaps.note(kept, "kafka", [one])
    assert found(kept) == (replace(gap(**both), filled_by="posthog"),)


def filled(kept: Sources) -> Source:
    """The source that fills gaps has fetched what it was to fetch."""
    helper = kept.get("posthog")
    kept.put(replace(helper, up_to_ms=helper.until_ms))
    return kept.get("posthog")


@pytest.mark.parametrize("more", [{"to_ms": 30 * MINUTE_MS}, {"from_ms": MINUTE_MS}])
def test_a_gap_that_grows_while_it_is_filled_is_filled_again(kept: Sources, more: dict[str, int]) -> None:
    gaps.note(kept, "kafka", [gap()])
    gaps.begin_filling(kept, kept.get("posthog"))
    gaps.note(kept, "kafka", [gap(**more)])
    gaps.drop_filled(kept, filled(kept))
    assert [(one.from_ms, one.to_ms) for one in found(kept)] == [(gap(**more).from_ms, gap(**more).to_ms)]
    begun = gaps.begin_filling(kept, kept.get("posthog"))
    assert (begun.up_to_ms, begun.until_ms) == (gap(**more).from_ms - gaps.MARGIN_MS, gap(**more).to_ms)
    gaps.drop_filled(kept, filled(kept))
    assert found(kept) == ()
    assert kept.get("posthog").filling == ()
