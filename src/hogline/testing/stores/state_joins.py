"""What the state promises of joined ids, of whose an email is, and of what is due or was asked for."""

from __future__ import annotations

from msgspec.structs import replace

from hogline.core.changes import Intent, Settlement
from hogline.core.known import Id
from hogline.core.ledger import LedgerRow
from hogline.core.told import WAITS_MS, Told
from hogline.model import Identifier
from hogline.store.base import State
from hogline.testing.stores.words import NOW_MS, Store, installed, learn, told

ADA = Identifier("id", "ada")
MAIL = "ada@example.com"


def row(person: str = "ada", **fields: object) -> LedgerRow:
    return replace(LedgerRow(person, "accepted", ADA, others=0), **fields)


async def settle(state: State, connection: int, **what: object) -> None:
    await state.settle(Settlement(connection=connection, lanes={}, **what))  # type: ignore[arg-type]  # as the tests say


async def test_joined_ids_come_back_as_they_were(store: Store, state: State) -> None:
    root, leaf = Id(None, 0, 1, ((3, "ada"), (9, "zoe"))), Id("ada", 3, 0, ())
    await learn(state, ada=root, anon=leaf)
    other = await store.state()
    for one in (state, other):
        assert one.ids(["ada", "anon", "nobody"]) == {"ada": root, "anon": leaf}
        assert one.ids([]) == {}
    await other.close()


async def test_who_was_joined_into_whom_is_found(state: State) -> None:
    await learn(state, **{f"anon-{n}": Id("ada", n) for n in range(5)}, other=Id("bob", 3))
    assert state.members("ada") == [f"anon-{n}" for n in range(5)]
    assert state.members("nobody") == []
    await learn(state, ada=Id("zoe", 9))
    assert (state.members("ada"), state.members("zoe")) == ([f"anon-{n}" for n in range(5)], ["ada"])


async def test_an_email_is_whose_the_newest_row_says(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    assert state.ledger(connection, [MAIL]) == {}
    await state.intend(Intent(connection, {}, {MAIL: row(state="wanted")}))
    await settle(state, connection, ledger={MAIL: row(), "free@example.com": None})
    other = await store.state()
    for one in (state, other):
        assert one.ledger(connection, [MAIL, "free@example.com"]) == {MAIL: row()}
    await other.close()
    await settle(state, connection, ledger={MAIL: row("bob", others=1)})
    assert state.ledger(connection, [MAIL]) == {MAIL: row("bob", others=1)}
    await settle(state, connection, ledger={MAIL: None})
    assert state.ledger(connection, [MAIL]) == {}


async def test_an_intent_is_written_whole(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    await state.intend(Intent(connection, {"ada": told("ada"), "bob": told("bob")}, {MAIL: row()}))
    other = await store.state()  # opened beside it: whatever it sees is on disk
    for one in (state, other):
        assert one.told(connection, ["ada", "bob"]) == {"ada": told("ada"), "bob": told("bob")}
        assert one.ledger(connection, [MAIL]) == {MAIL: row()}
    await other.close()


async def test_what_is_due_comes_the_next_ones_first(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    due = {"ada": 30, "bob": 10, "cleo": 20}
    await settle(state, connection, told={one: told(one, due_ms=NOW_MS + ms) for one, ms in due.items()})
    other = await store.state()
    for one in (state, other):
        assert one.due(connection, 2) == [("bob", NOW_MS + 10), ("cleo", NOW_MS + 20)]
    await other.close()


async def test_what_is_not_due_or_waits_for_other_options_is_not_among_it(state: State) -> None:
    connection = (await installed(state)).id
    people = {"ada": told("ada", due_ms=WAITS_MS), "bob": told("bob", due_ms=0), "cleo": told("cleo", due_ms=NOW_MS)}
    await settle(state, connection, told=people)
    assert state.due(connection, 10) == [("cleo", NOW_MS)]
    await settle(state, connection, told={"cleo": told("cleo")})
    assert state.due(connection, 10) == []


async def test_with_other_options_what_is_held_may_go_and_merges_are_due(state: State) -> None:
    connection = (await installed(state)).id
    waits = told("ada", due_ms=WAITS_MS)
    await settle(state, connection, told={"ada": waits, "bob": Told(has_held=True)})
    await state.options_changed(connection, NOW_MS)
    assert [person for person, ms in state.due(connection, 10) if ms <= NOW_MS] == ["ada"]


async def test_what_was_asked_for_is_known_until_it_is_done(store: Store, state: State) -> None:
    connection, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    await state.send_again(connection, "again", ["bob", "ada"])
    await state.send_again(connection, "again", ["ada"])
    await state.send_again(other, "release", ["ada"])
    again = await store.state()
    for one in (state, again):
        assert one.again(connection, 10) == [("again", "ada"), ("again", "bob")]
        assert one.again(connection, 1) == [("again", "ada")]
    await again.close()
    await settle(state, connection, again_done=[("again", "ada"), ("release", "bob")])
    assert (state.again(connection, 10), state.again(other, 10)) == ([("again", "bob")], [("release", "ada")])


async def test_one_connections_records_are_none_of_anothers_and_leave_nothing_when_it_is_removed(state: State) -> None:
    one, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    for connection in (one, other):
        await settle(state, connection, told={"ada": told("ada", due_ms=NOW_MS)}, ledger={MAIL: row()})
        await state.send_again(connection, "again", ["ada"])
    await state.remove_connection(one)
    assert (state.told(one, ["ada"]), state.ledger(one, [MAIL])) == ({}, {})
    assert (state.due(one, 10), state.again(one, 10)) == ([], [])
    assert (list(state.told(other, ["ada"])), list(state.ledger(other, [MAIL]))) == (["ada"], [MAIL])
    assert (state.due(other, 10), state.again(other, 10)) == ([("ada", NOW_MS)], [("again", "ada")])
