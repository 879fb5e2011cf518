"""Whom an id or an email means: the person with all their ids; or several people, and then who."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from test_forgetting import ADA, ANON, HISTORY, MAIL, Forgetting, identify, said

from hogline.service import CannotDo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Forgetting]:
    made = Forgetting(tmp_path / "data")
    await made.begin()
    yield made
    await made.close()


async def whom(bench: Forgetting, text: str) -> list[str]:
    return [one.distinct_id for one in await bench.service.finder.who_is(text)]


@pytest.mark.parametrize("text", [ADA, ANON, MAIL, MAIL.upper(), f"  {MAIL} "])
async def test_a_person_is_found_by_every_id_and_by_the_email(bench: Forgetting, text: str) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    (found,) = await bench.service.finder.who_is(text)
    assert (found.distinct_id, found.ids, found.emails) == (ADA, sorted([ADA, ANON]), [MAIL])


@pytest.mark.parametrize("text", ["", " ", "ada", "@", "lovelace.example", "nobody@example.com"])
async def test_nobody_is_found_by_a_part_of_it(bench: Forgetting, text: str) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    assert await bench.service.finder.who_is(text) == []


@pytest.mark.parametrize("by", [MAIL, MAIL.upper()])
async def test_somebody_is_forgotten_by_their_email(bench: Forgetting, by: str) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    forgotten = await bench.service.forgetting.forget(by)
    assert (forgotten.ids, forgotten.people, forgotten.events) == (2, 2, 4)
    assert bench.traces() == []
    assert [one.id for one in bench.server.people] == ["bob"]


async def test_whoever_is_only_in_events_that_wait_is_found_too(bench: Forgetting) -> None:
    await bench.connect()
    await bench.service.connections.pause("customerio")
    await bench.receive(*HISTORY)
    assert await whom(bench, MAIL) == [ADA]
    await bench.service.forgetting.forget(MAIL.upper())
    assert bench.traces() == []


async def test_whoever_is_only_in_the_journal_is_found_without_any_connection(bench: Forgetting) -> None:
    await bench.receive(identify())
    forgotten = await bench.service.forgetting.forget(MAIL)
    assert (forgotten.events, forgotten.connections) == (1, [])
    assert bench.traces() == []


async def test_of_several_with_one_email_nobody_is_forgotten_until_it_is_said_who(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY, said("a", "carl", 6, set={"email": MAIL.title()}))
    assert await whom(bench, MAIL) == [ADA, "carl"]
    with pytest.raises(CannotDo, match=f"2 people have this email: {ADA}, carl.*--all"):
        await bench.service.forgetting.forget(MAIL)
    assert len(bench.server.people) == 3
    forgotten = await bench.service.forgetting.forget(MAIL, everybody=True)
    assert forgotten.ids == 3
    assert bench.traces() == []
    assert [one.id for one in bench.server.people] == ["bob"]


async def test_an_id_that_is_an_email_means_that_person(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(said("a", MAIL, 1), said("b", "carl", 2, set={"email": MAIL}))
    assert await whom(bench, MAIL) == [MAIL]


async def test_an_email_that_somebody_had_once_finds_them_if_nobody_has_it_now(bench: Forgetting) -> None:
    await bench.connect(identify_by_email=True)
    await bench.deliver(said("a", ADA, 1, set={"email": MAIL}))
    await bench.deliver(said("b", ADA, 2, set={"email": "new@lovelace.example"}))
    await bench.journal.trim(bench.journal.end, received_before_ms=2**60, most_bytes=0)
    assert await whom(bench, MAIL) == [ADA]
    await bench.deliver(said("c", "carl", 3, set={"email": MAIL}))
    assert await whom(bench, MAIL) == ["carl"]


async def test_it_says_what_was_deleted_where_and_what_cannot_be_reached(bench: Forgetting) -> None:
    await bench.connect()
    await bench.service.connections.add("engage", {"public_key": "p", "secret_key": "s"}, name="mail", paused=True)
    mention = said("shared", "bob", 6, **{"$device_id": ANON})  # type: ignore[arg-type]  # properties
    alias = said("$create_alias", "bob", 7, alias=ADA)
    await bench.deliver(said("$identify", "bob", 0), *HISTORY, mention, alias)
    forgotten = await bench.service.forgetting.forget(MAIL)
    customerio, engage = forgotten.connections
    assert (customerio.connection, customerio.destination, customerio.customers) == ("customerio", "Customer.io", 1)
    assert customerio.not_reached == ""
    assert (engage.connection, engage.customers) == ("mail", 0)
    assert "Delete this user there" in engage.not_reached
    assert (forgotten.mentions, forgotten.names_removed) == (1, 1)
    assert (forgotten.cleaned_later, forgotten.still_named_in) == ([], [])


async def test_it_says_which_other_files_still_name_them(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    (bench.folder / "backup").mkdir()
    (bench.folder / "backup" / "state.db.old").write_bytes(b"x" * (1 << 20) + MAIL.encode())
    (bench.folder / "notes.txt").write_text("nothing of theirs")
    assert (await bench.service.forgetting.forget(ADA)).still_named_in == ["backup/state.db.old"]


async def test_somebody_is_sent_again_by_their_email(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    assert (await bench.service.resending.person("customerio", MAIL.upper())).distinct_id == ADA
    assert (await bench.service.resending.person("customerio", ANON)).distinct_id == ADA
    with pytest.raises(CannotDo, match="no person with this distinct_id or email"):
        await bench.service.resending.person("customerio", "nobody@example.com")


async def test_everyone_is_sent_again_until_it_is_stopped(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY, said("$identify", "eve", 50))
    await bench.service.connections.pause("customerio")
    began = await bench.service.resending.everyone("customerio")
    assert (began.everyone, began.people, began.left) == (True, 3, 3)
    assert await bench.service.resending.everyone("customerio") == began
    (status,) = (await bench.service.status.show()).connections
    assert status.resending == 3
    assert (await bench.service.resending.cancel("customerio")).left == 3
    assert (await bench.service.resending.show("customerio")).left == 0
    assert not (await bench.service.resending.cancel("customerio")).everyone


async def test_a_destination_without_people_has_nobody_to_send_again(bench: Forgetting) -> None:
    await bench.service.connections.add("engage", {"public_key": "p", "secret_key": "s"}, name="mail", paused=True)
    with pytest.raises(CannotDo, match="Engage keeps no people"):
        await bench.service.resending.everyone("mail")


async def test_who_is_sent_again_has_to_be_one_person(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY, said("$identify", "eve", 50, set={"email": MAIL}))
    with pytest.raises(CannotDo, match=r"2 people have this email: .*eve.* Give the id of one of them"):
        await bench.service.resending.person("customerio", MAIL)
