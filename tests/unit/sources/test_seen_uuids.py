"""Which uuids came before, whoever sent them, also before a restart."""

# mypy: allow-untyped-defs, allow-untyped-calls

import asyncio

import pytest
from receiving import Inbox, Journal, captured

from hogline.model import Event
from hogline.posthog import encode_repaired
from hogline.posthog.entry import FORGOTTEN, decode_event
from hogline.sources.seen import SeenUuids
from hogline.store.base import Unwritable
from hogline.store.sqlite.journal import SqliteJournal

pytestmark = pytest.mark.anyio

A = "01960000-0000-7000-8000-00000000aaaa"


def received(name="opened", distinct_id="u1", uuid=A):
    return encode_repaired(Event(uuid, name, distinct_id, 0, 0, {}))


async def kept(journal):
    return [decode_event(body) for _, body in await journal.read(0, 10_000)]


async def test_right_after_a_restart_everything_is_known_that_the_journal_has(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    many = [received(uuid=f"01960000-0000-7000-8000-{n:012x}") for n in range(700)]
    await SeenUuids(journal).append(journal, [received(), *many])
    await journal.append([FORGOTTEN])
    await journal.close()
    journal = SqliteJournal(tmp_path / "journal.db")
    seen = SeenUuids(journal)
    end, told = await seen.append(journal, [received("$screen"), received(), many[-1], received("$screen")])
    assert end == 706
    assert [each.event.repaired for each in told] == [
        ("uuid_reused",),
        ("repeated",),
        ("repeated",),
        ("uuid_reused", "repeated"),
    ]
    assert [event.uuid for event in (await kept(journal))[-4:]] == [each.event.uuid for each in told]
    await journal.close()


async def test_only_the_last_are_read_after_a_restart(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.append([received().body, *(received(uuid=f"u{n}").body for n in range(10))])
    _, told = await SeenUuids(journal, window=10).append(journal, [received(), received(uuid="u0")])
    assert [each.event.repaired for each in told] == [(), ("repeated",)]
    await journal.close()


async def test_of_many_senders_at_once_each_event_has_a_uuid_of_its_own(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.append([received("before").body])
    seen = SeenUuids(journal)
    senders = [[received(f"event {n % 20}", f"u{n % 3}")] for n in range(200)]
    await asyncio.gather(*(seen.append(journal, some) for some in senders))
    events = await kept(journal)
    assert len(events) == 201
    by_uuid = {event.uuid: (event.name, event.distinct_id) for event in events}
    assert len(by_uuid) == len({(event.name, event.distinct_id) for event in events}) == 61
    assert all(by_uuid[event.uuid] == (event.name, event.distinct_id) for event in events)
    await journal.close()


async def test_what_the_disk_did_not_take_is_new_when_it_comes_again():
    journal, seen = Journal(), SeenUuids()
    journal.full = Unwritable("full")
    with pytest.raises(Unwritable):
        await seen.append(journal, [received(), received(), received("$screen")])
    journal.full = None
    _, told = await seen.append(journal, [received(), received("$screen")])
    assert [each.event.repaired for each in told] == [(), ("uuid_reused",)]


async def test_a_journal_that_cannot_be_read_now_is_read_later(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.append([received().body])

    class Troubled:
        end = 1
        tries = 0

        async def read(self, after, limit):
            self.tries += 1
            if self.tries == 1:
                raise Unwritable("the disk fails")
            return await journal.read(after, limit)

    seen = SeenUuids(Troubled())
    with pytest.raises(Unwritable):
        await seen.append(journal, [received()])
    _, told = await seen.append(journal, [received("$screen")])
    assert told[0].event.repaired == ("uuid_reused",)
    await journal.close()


def test_a_request_keeps_each_event_under_its_own_uuid():
    inbox = Inbox()
    assert inbox.capture(captured(event="opened", uuid=A), "/e/").status == 200
    assert inbox.capture(captured(event="$screen", uuid=A), "/e/").status == 200
    assert inbox.capture(captured(event="opened", uuid=A), "/e/").status == 200
    opened, screen, repeat = inbox.journal.events
    assert (opened.uuid, repeat.uuid) == (A, A)
    assert screen.uuid != A
    assert [event.repaired for event in inbox.journal.events] == [(), ("uuid_reused",), ("repeated",)]
