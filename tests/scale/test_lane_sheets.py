"""Processes that deliver parts of a connection find their events by the sheets that the owner writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hogline.core.changes import Flush
from hogline.core.sheets import Sheet
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.claim import claimed
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.state import PostgresqlState
from hogline.testing.stores.words import body

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stores(url: str) -> AsyncIterator[tuple[PostgresqlJournal, PostgresqlState]]:
    vault = Vault(Vault.new_key())
    claim = await claimed(url, vault)
    journal, state = PostgresqlJournal(claim), PostgresqlState(claim, vault)
    yield journal, state
    await journal.close()
    await state.close()
    await claim.release()


async def write(state: PostgresqlState, *sheets: Sheet) -> None:
    await state.flush(Flush({}, {}, sheets[-1].last, sheets=sheets))


async def test_sheets_are_read_from_the_one_with_the_next_event(
    stores: tuple[PostgresqlJournal, PostgresqlState],
) -> None:
    _, state = stores
    assert await state.sheets(0, 9) == []
    one, two, three = Sheet(1, b"\x01\x02", {2: 1}), Sheet(3, b"\x05"), Sheet(10, b"\x07")
    await write(state, one, two, three)
    assert await state.sheets(0, 9) == await state.sheets(1, 9) == [one, two, three]
    assert await state.sheets(2, 9) == [two, three]
    assert await state.sheets(2, 1) == [two]
    assert (await state.sheets(9, 9))[-1] == three


async def test_a_sheet_that_grew_is_written_again(stores: tuple[PostgresqlJournal, PostgresqlState]) -> None:
    _, state = stores
    await write(state, Sheet(1, b"\x01"))
    await write(state, Sheet(1, b"\x01\x02", {2: 1}))
    assert await state.sheets(0, 9) == [Sheet(1, b"\x01\x02", {2: 1})]
    assert state.folded() == 2


async def test_a_sheet_goes_with_the_last_of_its_events(stores: tuple[PostgresqlJournal, PostgresqlState]) -> None:
    journal, state = stores
    await journal.append([body(n) for n in range(6)])
    await write(state, Sheet(1, b"\x01\x02"), Sheet(3, b"\x01\x02"), Sheet(5, b"\x01\x02"))
    await journal.trim(3, received_before_ms=2**62, most_bytes=0)
    assert [one.first for one in await state.sheets(0, 9)] == [3, 5]


async def test_events_are_read_by_their_positions(stores: tuple[PostgresqlJournal, PostgresqlState]) -> None:
    journal, state = stores
    bodies = [body(n) for n in range(6)]
    await journal.append(bodies)
    assert await state.events_at([2, 5, 99], 1_000_000) == [(2, bodies[1]), (5, bodies[4])]
    assert await state.events_at([2, 3, 5], len(bodies[1]) + len(bodies[2])) == [(2, bodies[1]), (3, bodies[2])]
    assert await state.events_at([2, 3], 1) == [(2, bodies[1])]
