"""Everything that is kept about one person, and nothing of anybody else, as one JSON document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from test_forgetting import ADA, ANON, HISTORY, MAIL, Forgetting, said

from hogline.service import CannotDo, exporting
from hogline.service.exporting import as_json

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Forgetting]:
    made = Forgetting(tmp_path / "data")
    await made.begin()
    yield made
    await made.close()


async def exported(bench: Forgetting, who: str, **more: bool) -> Any:
    export = await bench.service.exports.person(who, **more)
    return json.loads(b"".join([piece async for piece in as_json(export, bench.service.exports.events)]))


@pytest.mark.parametrize("who", [ADA, MAIL, ANON])
async def test_it_has_everything_of_them_and_nothing_of_others(bench: Forgetting, who: str) -> None:
    await bench.connect("one")
    await bench.connect("holds", anonymous_users="identified", hold_days=30)
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(*HISTORY)
    await bench.deliver(said("c", ADA, 6, set={"bad": 1}), said("d", "bob", 7, set={"bad": 1}, ref=ANON))
    found = await exported(bench, who)
    assert (found["format"], found["ids"], found["emails"]) == ("hogline.person/1", sorted([ADA, ANON]), [MAIL])
    assert {(one["connection"], one["distinct_id"]) for one in found["people"]} >= {("one", ADA), ("holds", ADA)}
    (ada,) = [one for one in found["people"] if (one["connection"], one["distinct_id"]) == ("one", ADA)]
    assert {"kind": "id", "value": ADA} in ada["customers"]
    assert "plan" in ada["accepted"]
    (known,) = found["known"]
    assert (known["distinct_id"], known["email"], known["identified"]) == (ADA, MAIL, True)
    assert known["attributes"]["plan"]["value"] == "pro"
    assert [one["event"] for one in found["events"]] == ["$pageview", "cart opened", "$identify", "ordered", "c"]
    assert [(one["connection"], one["event"]) for one in found["failures"]] == [("holds", "c"), ("one", "c")]
    assert found["failures"][0]["refusals"][0]["reason"] == "invalid"
    assert found["mentions"] == 1
    assert "bob" not in json.dumps(found)


async def test_what_is_held_is_in_it(bench: Forgetting) -> None:
    await bench.connect("holds", anonymous_users="identified", hold_days=30)
    await bench.deliver(said("a", ADA, 1), said("b", ADA, 2), said("c", "bob", 3))
    assert [one["event"] for one in (await exported(bench, ADA))["held_events"]] == ["a", "b"]


async def test_events_are_in_it_without_any_connection(bench: Forgetting) -> None:
    await bench.receive(*HISTORY)
    found = await exported(bench, MAIL)
    assert (found["people"], len(found["events"])) == ([], 4)


async def test_it_comes_in_parts_of_bounded_size(bench: Forgetting, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.connect("one", anonymous_users="identified", hold_days=30)
    await bench.connect("other", anonymous_users="identified", hold_days=30)
    await bench.deliver(*(said(f"{n}", ADA, n, text="x" * 1_000) for n in range(30)))
    monkeypatch.setattr(exporting, "PART_BYTES", 5_000)
    after: str | None = ""
    parts = []
    while after is not None:
        part = await bench.service.exports.events([ADA], after=after)
        parts.append(part)
        after = part.next
    assert all(len(one.events) <= 5 for one in parts)
    names = [f"{n}" for n in range(30)]
    for section, wanted in (("held_events", names * 2), ("failures", []), ("events", names)):
        assert [one.event for part in parts if part.section == section for one in part.events] == wanted
    assert [one["event"] for one in (await exported(bench, ADA))["events"]] == names


async def test_an_event_larger_than_a_part_is_a_part_by_itself(
    bench: Forgetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PART_BYTES", 10)
    await bench.receive(*HISTORY)
    assert len((await exported(bench, MAIL))["events"]) == 4


async def test_of_several_people_all_are_exported_if_that_is_said(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY, said("a", "carl", 6, set={"email": MAIL}))
    with pytest.raises(CannotDo, match="2 people have this email"):
        await exported(bench, MAIL)
    assert (await exported(bench, MAIL, everybody=True))["ids"] == sorted([ADA, ANON, "carl"])


@pytest.mark.parametrize("after", ["what", "events:x:y", "events:x:-1", "events:x:" + "9" * 5_000, ":"])
async def test_a_wrong_place_to_go_on_is_refused(bench: Forgetting, after: str) -> None:
    with pytest.raises(CannotDo, match="Start again"):
        await bench.service.exports.events([ADA], after=after)


async def test_nobody_found_is_a_mistake(bench: Forgetting) -> None:
    with pytest.raises(CannotDo, match="No person has this"):
        await exported(bench, "nobody")
