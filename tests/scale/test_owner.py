"""One owner at a time: what another one finds, what a former one can still do, and commits without an answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from many import breaking, change

from hogline.core.changes import Settlement
from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql import link as link_module
from hogline.store.postgresql import schema
from hogline.store.postgresql.claim import Claim, claimed
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.link import Link, close, connect, value
from hogline.store.postgresql.pen import Pen
from hogline.store.postgresql.presence import (
    Guest,
    Hand,
    Myself,
    Presence,
    end_connections,
    entered_as_hand,
    joined,
    usable,
    workers,
)
from hogline.store.postgresql.state import PostgresqlState
from hogline.store.postgresql.texts import meant, written
from hogline.store.postgresql.trouble import AWAY, LOST, SLOW, Fenced
from hogline.testing.stores.words import body, installed

pytestmark = pytest.mark.anyio

VAULT = Vault(Vault.new_key())


@pytest.fixture
async def claim(url: str) -> AsyncIterator[Claim]:
    made = await claimed(url, VAULT)
    yield made
    await made.release()


def take_over(url: str) -> None:
    change(url, "UPDATE store SET epoch = epoch + 1, owner = gen_random_uuid()")
    change(url, "UPDATE writer SET epoch = epoch + 1, owner = (SELECT owner FROM store)")


async def test_a_store_has_one_owner_at_a_time(url: str, claim: Claim) -> None:
    with pytest.raises(Unusable, match="is running on this store"):
        await claimed(url, VAULT, wait_s=0)
    await claim.release()
    second = await claimed(url, VAULT, wait_s=0)
    assert (second.epoch, second.was_killed) == (claim.epoch + 1, False)
    await second.release()


@pytest.mark.parametrize(
    "gone",
    ["lease = now() - interval '1 second'", "backend = 1, begins_until = now() - interval '1 second'"],
    ids=["lease", "session"],
)
async def test_an_owner_that_is_gone_is_replaced_at_once(url: str, claim: Claim, gone: str) -> None:
    change(url, f"UPDATE store SET {gone}")  # noqa: S608  # one of the two above
    second = await claimed(url, VAULT, wait_s=0)
    assert second.was_killed
    await second.release()


async def test_an_owner_whose_session_broke_may_still_send_for_a_while_unless_its_place_is_ours(
    url: str, claim: Claim
) -> None:
    change(url, "UPDATE store SET backend = 1, place = 'here'")
    with pytest.raises(Unusable, match="is running on this store"):
        await claimed(url, VAULT, Myself(role="test", place="there"), wait_s=0)
    second = await claimed(url, VAULT, Myself(role="test", place="here"), wait_s=0)
    await second.release()


async def test_a_former_owner_can_write_nothing(url: str, claim: Claim) -> None:
    journal, state = PostgresqlJournal(claim), PostgresqlState(claim, VAULT)
    connection = (await installed(state)).id
    await journal.append([body(1)])
    take_over(url)
    for write in (
        journal.append([body(2)]),
        state.settle(Settlement(connection=connection, lanes={0: 1}, delivered=1)),
        state.add_token("hog_x"),
    ):
        with pytest.raises(Unwritable, match=LOST):
            await write
    async with asyncio.timeout(5):
        await claim.lost.wait()
    assert (journal.trouble, state.trouble) == (LOST, LOST)
    assert await journal.read(0, 10) == [(1, body(1))]
    assert (await state.counts(connection)).delivered == 0
    await journal.close()
    await state.close()


async def test_a_former_owner_notices_at_the_next_beat_and_sends_nothing_more(url: str, claim: Claim) -> None:
    await claim.holding()
    take_over(url)
    claim.look()
    async with asyncio.timeout(5):
        await claim.lost.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await claim.holding()


async def test_no_request_begins_later_than_half_a_lease_after_the_last_good_beat(claim: Claim) -> None:
    claim._good_s = time.monotonic() - claim.myself.lease_s / 2 + 2
    async with asyncio.timeout(0.05):
        await claim.holding()
    claim._good_s -= 2
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await claim.holding()
    claim.look()
    async with asyncio.timeout(5):
        await claim.holding()


async def test_no_error_ends_the_beats_of_a_process(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    troubles = [KeyError("canary")]
    real = Claim._beat

    def beat(self: Claim, link: Link) -> bool:
        if troubles:
            raise troubles.pop()
        return real(self, link)

    monkeypatch.setattr(Claim, "_beat", beat)
    claim._good_s = 0.0
    claim.look()
    async with asyncio.timeout(5):
        await claim.holding()
        while claim.trouble:
            await asyncio.sleep(0.01)


@pytest.fixture
async def guest(url: str) -> AsyncIterator[Guest]:
    made = await joined(url, VAULT, Myself(role="receive"))
    yield made
    await made.release()


async def test_guests_append_beside_the_owner_without_gaps(url: str, claim: Claim, guest: Guest) -> None:
    other = await joined(url, VAULT, Myself(role="receive"))
    journals = [PostgresqlJournal(one) for one in (claim, guest, other)]
    following = asyncio.create_task(journals[0].follow())
    positions = await asyncio.gather(
        *(journal.append([body(n)], {"too_large": 1, "a": 1}) for n in range(40) for journal in journals)
    )
    assert sorted(positions) == list(range(1, 121))
    async with asyncio.timeout(5):
        await journals[0].wait(119)
    assert [position for position, _ in await journals[0].read(0, 1_000)] == list(range(1, 121))
    assert await journals[0].refused() == {"a": 120, "too_large": 120}
    following.cancel()
    for journal in journals:
        await journal.close()
    await other.release()


async def test_the_newest_position_is_known_although_another_process_appended(claim: Claim, guest: Guest) -> None:
    journal, theirs = PostgresqlJournal(claim), PostgresqlJournal(guest)
    await theirs.append([body(1)])
    assert (journal.end, await journal.newest()) == (0, 1)
    await journal.close()
    await theirs.close()


async def test_a_new_owner_leaves_guests_alone_and_a_buried_one_writes_nothing(
    url: str, claim: Claim, guest: Guest
) -> None:
    journal = PostgresqlJournal(guest)
    await claim.release()
    second = await claimed(url, VAULT)
    assert await journal.append([body(1)]) == 1
    await second.release()
    change(url, "UPDATE process SET seen = now() - interval '2 days'")
    third = await claimed(url, VAULT)
    with pytest.raises(Unwritable, match=LOST):
        await journal.append([body(2)])
    async with asyncio.timeout(5):
        await guest.lost.wait()
    await journal.close()
    await third.release()


class Answerless:
    """A connection that breaks after PostgreSQL got the statement, or before."""

    def __init__(self, link: Link, *, got: bool) -> None:
        self._link, self._got = link, got

    def execute(self, query: bytes, values: Mapping[str, object], *, binary: bool) -> object:
        if self._got:
            self._link.execute(query, values, binary=binary)
        self._link.close()
        raise psycopg.OperationalError("the connection broke")

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)


@pytest.mark.parametrize("got", [False, True])
async def test_events_without_an_answer_are_appended_exactly_once(guest: Guest, *, got: bool) -> None:
    journal = PostgresqlJournal(guest)
    await journal.append([body(1)])
    pen = journal._pen
    pen._link = Answerless(pen._link, got=got)  # type: ignore[arg-type, assignment]  # as good as one
    assert await journal.append([body(2), body(3)]) == 3
    assert await journal.append([body(4)]) == 4
    await journal.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_without_an_answer_is_done_exactly_once(
    claim: Claim, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pen = Pen(claim, "state")
    assert pen._link is not None
    monkeypatch.setattr(pen._link, "pipeline", breaking(pen._link, "pipeline", when))

    def add(link: Link) -> int:
        return int(value(link, b"INSERT INTO refused VALUES ('x', 1) RETURNING events"))

    assert await asyncio.to_thread(pen.write, add) == 1
    assert await asyncio.to_thread(pen.write, lambda link: value(link, b"SELECT count(*) FROM refused")) == 1
    pen.close()


@asynccontextmanager
async def frozen_in_a_transaction(process: Presence, pen: Pen) -> AsyncIterator[asyncio.Task[None]]:
    """As far as the others see: it has locked what it writes, does not commit, and gives no sign of life. Gives what it
    is writing, which goes on at the end."""
    inside, thawed = threading.Event(), threading.Event()

    def work(link: Link) -> None:
        value(link, b"SELECT 1")
        inside.set()
        thawed.wait()

    writing = asyncio.create_task(asyncio.to_thread(pen.write, work))
    await asyncio.to_thread(inside.wait)
    process._look_after = lambda: None  # type: ignore[method-assign]  # frozen
    try:
        yield writing
    finally:
        thawed.set()
        await asyncio.wait([writing])
        pen.close()


async def test_an_owner_that_froze_in_a_transaction_is_replaced_after_its_lease(url: str) -> None:
    frozen = await claimed(url, VAULT, Myself(role="test", lease_s=1))
    async with frozen_in_a_transaction(frozen, Pen(frozen, "state")) as writing:
        async with asyncio.timeout(10):
            second = await claimed(url, VAULT)
        await second.release()
    assert isinstance(writing.exception(), Fenced)
    await frozen.release()
    assert not workers(url, VAULT).workers


async def test_a_process_that_froze_in_a_transaction_holds_up_the_owner_only_until_its_lease_is_over(url: str) -> None:
    claim = await claimed(url, VAULT, Myself(role="test", lease_s=1))
    state = PostgresqlState(claim, VAULT)
    myself = Myself(role="test", lease_s=1)
    hand = Hand(url, await asyncio.to_thread(entered_as_hand, url, VAULT, myself), myself)
    carried = PostgresqlState(hand, VAULT)
    async with frozen_in_a_transaction(hand, carried._pen):
        async with asyncio.timeout(10):
            await state.write(lambda _: None)
    await state.close()
    await carried.close()
    await hand.release()
    await claim.release()


async def test_a_process_whose_connection_was_ended_while_it_waited_leaves_no_trace(url: str, claim: Claim) -> None:
    myself = Myself(role="deliver")

    def waits() -> None:
        assert workers(url, VAULT).workers
        link = connect(url, "test")
        end_connections(link, [myself.id])
        close(link)

    with pytest.raises(psycopg.OperationalError):
        await claimed(url, VAULT, myself, wait_s=None, waits=waits)
    assert not workers(url, VAULT).workers


async def test_a_commit_that_was_given_up_cannot_come_later(url: str, claim: Claim) -> None:
    pen = Pen(claim, "state")
    late = connect(url, "late")
    before = pen._number
    pen._drop()
    pen._settle_doubt(pen._connected())
    with pytest.raises(psycopg.Error) as fenced:
        late.execute(b"SELECT fence('state', %s, %s, %s)", (claim.myself.id, claim.epoch, before))
    assert fenced.value.sqlstate == "HL001"
    late.close()
    pen.close()


async def test_a_slow_answer_holds_the_event_loop_only_so_long(claim: Claim) -> None:
    reading = claim.reading("slow", within_s=0.3, reopens_itself=False)
    began_s = time.monotonic()
    with pytest.raises(Unwritable, match=AWAY):
        reading.rows(b"SELECT pg_sleep(30)")
    with pytest.raises(Unwritable, match=AWAY):  # at once
        reading.rows(b"SELECT 1")
    assert time.monotonic() - began_s < 20
    async with asyncio.timeout(10):
        while True:
            try:
                assert reading.rows(b"SELECT 1") == [(1,)]
                break
            except Unwritable:
                await asyncio.sleep(0.01)
    reading.close()


async def test_another_key_for_secrets_is_noticed_at_the_start(url: str, claim: Claim) -> None:
    with pytest.raises(Unusable, match="another HOGLINE_SECRET_KEY"):
        await claimed(url, Vault(Vault.new_key()), wait_s=0)


def test_tables_of_a_newer_version_are_used_as_long_as_it_allows(url: str) -> None:
    known = schema.scripts()
    link = connect(url, "test")
    newer = [*known, "-- oldest_reader: 1\nCREATE TABLE more (one integer);"]
    schema.migrate(link, newer)
    schema.migrate(link, known)
    assert value(link, b"SELECT version FROM schema") == len(newer)
    schema.migrate(link, [*newer, f"-- oldest_reader: {len(newer) + 1}\nDROP TABLE more;"])
    with pytest.raises(Unusable, match="a newer Hogline"):
        schema.migrate(link, known)
    link.close()


@pytest.mark.usefixtures("claim")
async def test_an_upgrade_lets_others_work_while_it_waits_for_a_dump(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = [*schema.scripts(), "-- oldest_reader: 1\nALTER TABLE tokens ADD more integer;"]
    dumps, works, upgrades = (connect(url, name) for name in ("dumps", "works", "upgrades"))
    dumps.execute(b"BEGIN")
    dumps.execute(b"SELECT FROM tokens")
    works.execute(b"SET lock_timeout = '1ms'")

    def pause(_: float) -> None:
        works.execute(b"SELECT FROM tokens")
        dumps.execute(b"COMMIT")

    monkeypatch.setattr("hogline.store.postgresql.schema.time.sleep", pause)
    schema.migrate(upgrades, newer)
    assert value(works, b"SELECT version FROM schema") == len(newer)
    assert dumps.info.transaction_status.name == "IDLE"
    for link in (dumps, works, upgrades):
        close(link)


async def test_senders_get_an_answer_although_the_journal_is_locked(
    url: str, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.store.postgresql.journal.ANSWER_WITHIN_S", 1.0)
    journal, vacuums = PostgresqlJournal(claim), connect(url, "vacuums")
    with vacuums.transaction():
        vacuums.execute(b"LOCK TABLE journal")
        for _ in range(2):
            with pytest.raises(Unwritable, match="in time"):
                await journal.append([body(1)])
        assert journal.trouble == SLOW
        counts = asyncio.create_task(journal.append([body(2)], positions={1: 2}))
        while journal.trouble is not None:
            await asyncio.sleep(0.01)
    assert await counts == 2  # what counts rows has waited, and the first one is stored after all
    assert await journal.append([body(3)]) == 3
    assert journal.trouble is None
    close(vacuums)
    await journal.close()


@pytest.mark.usefixtures("claim")
async def test_a_start_does_not_wait_for_another_that_is_stuck(url: str) -> None:
    stuck, starts = connect(url, "stuck"), connect(url, "starts")
    with stuck.transaction():
        stuck.execute(b"SELECT pg_advisory_xact_lock(%s)", (schema._LOCK,))
        starts.execute(b"SET lock_timeout = '1ms'")
        schema.migrate(starts)
    stuck.close()
    starts.close()


@pytest.mark.usefixtures("claim")
async def test_the_key_is_checked_although_the_owner_is_stuck(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = connect(url, "stuck")
    monkeypatch.setitem(link_module.SESSION, "lock_timeout", "1ms")
    with stuck.transaction():
        stuck.execute(b"SELECT FROM store FOR UPDATE")
        close(usable(url, VAULT, "starts"))
    close(stuck)


def test_a_lock_is_waited_for_longer_than_a_frozen_process_can_hold_it(url: str) -> None:
    link = connect(url, "test")
    sql = b"SELECT setting::int FROM pg_settings WHERE name = %s"
    waits_ms, held_ms = (
        link.execute(sql, (name,)).fetchall()[0][0] for name in ("lock_timeout", "idle_in_transaction_session_timeout")
    )
    close(link)
    assert waits_ms >= held_ms + 5_000


def test_every_schema_script_says_who_can_still_read() -> None:
    for number, script in enumerate(schema.scripts(), 1):
        assert 1 <= schema.oldest_reader(script) <= number


@given(st.text(st.characters(codec=None), max_size=20), st.text(max_size=3))
def test_any_text_comes_back_and_what_is_part_of_what_stays(text: str, other: str) -> None:
    assert meant(written(text)) == text
    written(text).encode()
    assert "\0" not in written(text)
    if other in text:
        assert written(other) in written(text)


async def test_a_process_is_alive_for_half_of_its_own_lease(url: str) -> None:
    slow = await joined(url, VAULT, Myself(role="receive", lease_s=300))
    for ago_s, alive in ((140, True), (160, False)):
        change(url, f"UPDATE process SET seen = clock_timestamp() - interval '{ago_s} s'")  # noqa: S608  # ours
        assert [one.alive for one in workers(url, VAULT).workers] == [alive]
    await slow.release()


async def test_no_connection_is_behind_by_less_than_nothing(url: str, claim: Claim) -> None:
    journal, state = PostgresqlJournal(claim), PostgresqlState(claim, VAULT)
    connection = (await installed(state)).id
    await journal.append([body(1)])
    change(url, f"INSERT INTO counters (connection, kind, reason, n) VALUES ({connection}, 'delivered', '', 5)")  # noqa: S608  # ours
    change(url, "UPDATE journal SET received_ms = received_ms + 3600000")
    assert [(one.pending, one.lag_s) for one in workers(url, VAULT).connections] == [(0, 0)]
    await journal.close()
    await state.close()
