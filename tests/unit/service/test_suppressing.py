"""Keeping somebody away: from every connection, those that come later too, until somebody takes it back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_bench import send_lines
from test_forgetting import ADA, ANON, HISTORY, MAIL, Forgetting, said

from hogline.destinations.base import Unreachable
from hogline.service import CannotDo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Forgetting]:
    made = Forgetting(tmp_path / "data")
    await made.begin()
    yield made
    await made.close()


async def send(bench: Forgetting, *events: dict[str, object]) -> None:
    """As `hogline send` does."""
    handle = await bench.service.sendings.begin()
    lines = [(number, json.dumps(event).encode()) for number, event in enumerate(events, 1)]
    assert await send_lines(bench.service, handle, lines) == []
    await bench.service.sendings.end(handle)
    await bench.settled()


def line(who: str, **more: object) -> dict[str, object]:
    return {"event": "back", "distinct_id": who, "timestamp": "2026-11-01T12:00:00Z", "properties": {}, **more}


async def test_what_comes_from_a_file_is_not_kept_either(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    end = bench.journal.end
    await send(bench, line(ADA), line("new", **{"$set": {"email": MAIL}}), line(ANON), line("bob"))
    assert bench.journal.end == end + 1
    assert await bench.journal.refused() == {"suppressed": 3}
    assert bench.traces() == []


async def test_it_holds_for_connections_that_are_made_later_or_again(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    await bench.service.connections.remove("customerio")
    await bench.connect()
    await bench.connect("another")
    await bench.deliver(said("back", ADA, 10), said("back", "bob", 11))  # past the door
    for name in ("customerio", "another"):
        assert (await bench.counts(name)).filtered == {"suppressed": 1}
        assert await bench.service.people.find("ada", connection=name) == []


async def test_an_email_that_somebody_else_has_too_does_not_keep_them_away(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY, said("a", "carl", 6, set={"email": MAIL}))
    await bench.service.forgetting.forget(ADA, suppress=True)
    await bench.deliver(said("b", "carl", 10))
    assert (await bench.counts()).filtered == {}
    assert not bench.state.suppressed(MAIL)
    assert bench.state.suppressed(ADA)
    assert bench.state.suppressed(ANON)


async def test_somebody_who_was_never_known_can_be_kept_away(bench: Forgetting) -> None:
    await bench.connect()
    await bench.service.forgetting.suppress("eve@example.com")
    await bench.service.forgetting.suppress("eve-1")
    await send(bench, line("Eve@example.com"), line("eve-1"), line("bob", **{"$set": {"email": "eve@example.com"}}))
    assert await bench.journal.refused() == {"suppressed": 3}
    assert {("email", "eve@example.com"), ("id", "eve-1")} <= set(bench.server.workspace.people.suppressed())


async def test_whoever_is_known_is_to_be_forgotten_instead(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    for who in (ADA, MAIL, ANON):
        with pytest.raises(CannotDo, match="Forget them"):
            await bench.service.forgetting.suppress(who)
    with pytest.raises(CannotDo, match="Give an id"):
        await bench.service.forgetting.suppress(" ")


@pytest.mark.parametrize("by", [ADA, MAIL, MAIL.upper(), ANON])
async def test_whoever_is_taken_back_comes_in_again_under_all_their_ids(bench: Forgetting, by: str) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    await bench.service.forgetting.unsuppress(by)
    await send(bench, line(ADA, **{"$set": {"email": MAIL}}), line(ANON))
    assert await bench.journal.refused() == {}
    assert [one.distinct_id for one in await bench.service.people.find("ada")] == [ADA]


async def test_the_destination_is_told_first_and_if_it_refuses_nothing_changes(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    bench.server.script = [Unreachable("no connection")]
    with pytest.raises(CannotDo, match=r"customerio: Customer\.io cannot be reached"):
        await bench.service.forgetting.unsuppress(ADA)
    assert bench.state.suppressed(ADA)
    await bench.service.forgetting.unsuppress(ADA)
    assert ("id", ADA) not in bench.server.workspace.people.suppressed()
    for other in (ANON, MAIL):  # nobody knows them here any more
        assert other in {value for _, value in bench.server.workspace.people.suppressed()}
        await bench.service.forgetting.suppress(other)
        await bench.service.forgetting.unsuppress(other)
    assert bench.server.workspace.people.suppressed() == []


async def test_whoever_is_not_suppressed_cannot_be_taken_back(bench: Forgetting) -> None:
    for who in ("nobody", " "):
        with pytest.raises(CannotDo, match=r"not suppressed|Give an id"):
            await bench.service.forgetting.unsuppress(who)
