"""What the state promises of forgetting: nothing names a person anymore, and their events stay counted."""

from __future__ import annotations

import pytest

from hogline.core.changes import HeldEvent, Settlement
from hogline.core.known import Id
from hogline.core.ledger import LedgerRow
from hogline.core.told import Told
from hogline.model import Event, Identifier
from hogline.posthog.entry import decode_event, encode_event
from hogline.store.base import State
from hogline.store.forgetting import Forgotten
from hogline.testing.stores.words import NOW_MS, Store, body, installed, learn, letter, told
from hogline.testing.stores.words import known as somebody

ADA = "ada-4711-lovelace"
MAIL = "ada.l@lovelace.example"


def event_of(distinct_id: str, position: int) -> bytes:
    return encode_event(Event(f"0199f3a0-0000-7000-8000-{position:012d}", "x", distinct_id, NOW_MS, NOW_MS, {}))


async def known(state: State, name: str = "customerio") -> int:
    connection = (await installed(state, name)).id
    await learn(state, somebody(ADA, MAIL), somebody("bob"), **{ADA: Id(None, 0, 1, ((3, ADA),)), "anon": Id(ADA, 3)})
    await state.settle(
        Settlement(
            connection=connection,
            lanes={0: 9},
            told={
                ADA: told(ADA, due_ms=NOW_MS, emails=(MAIL,), gone=(Identifier("email", MAIL),)),
                "bob": told("bob", due_ms=NOW_MS),
            },
            ledger={MAIL: LedgerRow(ADA, "accepted", Identifier("id", ADA), others=0)},
            delivered=2,
            failures=[letter(4, event=event_of(ADA, 4)), letter(5, event=event_of("bob", 5))],
            held=[
                HeldEvent(position=6, distinct_id=ADA, received_ms=NOW_MS, event=event_of(ADA, 6)),
                HeldEvent(position=7, distinct_id="bob", received_ms=NOW_MS, event=body(7)),
            ],
        )
    )
    return connection


async def test_it_says_what_was_removed(state: State) -> None:
    connection = await known(state)
    assert await state.forget([ADA], {connection: 0}, emails={}) == {connection: Forgotten(held=1, failures=1)}
    assert await state.forget(["nobody"], {connection: 0}, emails={}) == {connection: Forgotten()}


async def test_nothing_names_them_any_more_and_everybody_else_stays(state: State) -> None:
    connection = await known(state)
    await state.send_again(connection, "again", [ADA, "bob"])
    await state.forget([ADA, "anon"], {connection: 0}, emails={})
    assert (list(state.people([ADA, "bob"])), state.ids([ADA, "anon"])) == (["bob"], {})
    assert list(state.told(connection, [ADA, "bob"])) == ["bob"]
    assert state.again(connection, 9) == [("again", "bob")]
    assert [one.position for one in state.held(connection, [ADA, "bob"])] == [7]
    assert [one.position for one in await state.failures(connection)] == [5]
    assert state.ledger(connection, [MAIL]) == {}
    assert state.due(connection, 10) == [("bob", NOW_MS)]


async def test_whoever_waits_for_an_email_of_theirs_is_looked_at_again(state: State) -> None:
    connection = await known(state)
    await learn(state, somebody("eve", MAIL))
    await state.settle(Settlement(connection=connection, lanes={}, told={"eve": told("eve")}))
    await state.forget([ADA], {connection: 0}, emails={connection: [MAIL, "id k1"]})
    assert state.again(connection, 9) == [("freed", "eve")]


async def test_the_rows_of_the_ledger_that_are_theirs_under_another_name_go_too(state: State) -> None:
    connection = await known(state)
    row = LedgerRow("anon", "left", Identifier("id", "anon"), others=1)
    rows = {"was@x.example": row, "stays@x.example": row}
    await state.settle(Settlement(connection=connection, lanes={}, ledger=rows))
    await state.forget([ADA], {connection: 0}, emails={connection: ["was@x.example"]})
    assert list(state.ledger(connection, list(rows))) == ["stays@x.example"]


async def test_their_events_count_as_filtered_and_so_do_those_that_wait(state: State) -> None:
    connection = await known(state)
    before = await state.counts(connection)
    await state.forget([ADA], {connection: 3}, emails={})
    counts = await state.counts(connection)
    assert counts.filtered == {"forgotten": 5}  # one was held, one a failure, three wait
    assert (counts.held, counts.failures, counts.delivered) == (1, {"invalid": 1}, 2)
    assert counts.settled == before.settled + 3


async def test_what_another_connection_told_of_them_stays(state: State) -> None:
    one, other = await known(state, "one"), await known(state, "other")
    before = await state.counts(other)
    await state.forget([ADA], {one: 0}, emails={})
    assert set(state.told(other, [ADA])) == {ADA}
    assert await state.counts(other) == before


async def test_no_byte_of_them_is_left_in_the_files(store: Store, state: State) -> None:
    connection = await known(state)
    assert ADA.encode() in await store.kept()
    # What went before must not stay either.
    await state.settle(Settlement(connection=connection, lanes={}, told={ADA: told(ADA, emails=(MAIL,))}))
    await state.forget([ADA, "anon"], {connection: 0}, emails={}, suppress=[ADA, MAIL])
    assert await state.clean()
    kept = await store.kept()
    assert ADA.encode() not in kept
    assert MAIL.encode() not in kept


async def test_nobody_is_suppressed_at_first(state: State) -> None:
    connection = await known(state)
    await state.forget([ADA], {connection: 0}, emails={})
    assert not state.suppressed
    assert not state.suppressed(ADA)


async def test_whoever_is_suppressed_is_known_again_by_a_hash_after_a_restart_too(store: Store, state: State) -> None:
    connection = await known(state)
    await state.forget([ADA], {connection: 0}, emails={}, suppress=[ADA, MAIL])
    again = await store.state()
    for one in (state, again):
        suppressed = one.suppressed
        assert [suppressed(text) for text in (ADA, f" {MAIL} ", MAIL.upper(), "bob", "")] == [
            True,
            True,
            True,
            False,
            False,
        ]
    await again.close()


async def test_suppressing_twice_is_suppressing_once(state: State) -> None:
    connection = await known(state)
    for _ in range(2):
        await state.forget([ADA], {connection: 0}, emails={}, suppress=[ADA])
    assert state.suppressed(ADA)
    assert await state.unsuppress(ADA)
    assert not state.suppressed


async def test_whoever_is_suppressed_stays_so_without_any_connection(store: Store, state: State) -> None:
    connection = await known(state)
    await state.forget([ADA], {connection: 0}, emails={}, suppress=[ADA])
    await state.remove_connection(connection)
    again = await store.state()
    assert state.suppressed(ADA)
    assert again.suppressed(ADA)
    await again.close()


async def test_what_was_suppressed_together_is_taken_back_together(state: State) -> None:
    await state.suppress([ADA, MAIL])
    await state.suppress(["bob", "Bob@Example.com"])
    await state.suppress([ADA, "another-id"])  # joined with the first
    assert await state.unsuppress(MAIL.upper())
    assert [state.suppressed(one) for one in (ADA, MAIL, "another-id")] == [False, False, False]
    assert state.suppressed("bob@example.com")
    assert not await state.unsuppress(ADA)


async def test_who_has_an_email_is_found_and_who_had_it(state: State) -> None:
    connection = (await installed(state)).id
    await learn(state, somebody(ADA, MAIL.upper()), somebody("bob"), somebody("carl", "carl@new.example"))
    await state.settle(
        Settlement(
            connection=connection,
            lanes={},
            told={"carl": Told(gone=(Identifier("email", MAIL),)), "dora": Told(emails=(MAIL,)), MAIL: told(MAIL)},
        )
    )
    assert sorted(await state.with_email(MAIL)) == sorted([ADA, MAIL])
    assert sorted(await state.with_email(MAIL, ever=True)) == sorted(["carl", "dora"])
    assert await state.with_email("ovelace.example", ever=True) == []


async def test_what_has_to_be_cleaned_is_known_until_it_is_done(store: Store, state: State) -> None:
    connection = await known(state)
    assert await state.to_clean() == []
    await state.forget([ADA], {connection: 0}, emails={})
    again = await store.state()
    todo = await again.to_clean()
    assert [one.file for one in todo] == ["journal", "state"]
    await again.close()
    await state.remove_connection(connection)
    await state.cleaned(todo[-1].number)
    assert [one.file for one in await state.to_clean()] == ["state"]


async def test_nothing_of_a_connection_that_was_removed_is_left(store: Store, state: State) -> None:
    connection = (await installed(state)).id
    held = HeldEvent(position=6, distinct_id=ADA, received_ms=NOW_MS, event=event_of(ADA, 6))
    await state.settle(
        Settlement(
            connection=connection,
            lanes={},
            told={ADA: told(ADA, emails=(MAIL,))},
            ledger={MAIL: LedgerRow(ADA, "accepted", Identifier("id", ADA), others=0)},
            held=[held],
            failures=[letter(4, event=event_of(ADA, 4))],
        )
    )
    await state.remove_connection(connection)
    assert await state.clean()
    kept = await store.kept()
    assert ADA.encode() not in kept
    assert MAIL.encode() not in kept


async def test_whose_events_are_still_in_the_journal_is_known_after_a_crash_and_not_readable(
    store: Store, state: State
) -> None:
    assert await state.forgetting() == []
    connection = await known(state)
    await state.forget([ADA, "anon"], {connection: 0}, emails={})
    again = await store.state()
    assert sorted(await again.forgetting()) == sorted([ADA, "anon"])
    assert await state.clean()
    assert ADA.encode() not in await store.kept()
    await again.close()
    await state.end_forgetting()
    assert await state.forgetting() == []


async def test_all_connections_are_cleared_or_none(state: State) -> None:
    one, other = await known(state, "one"), await known(state, "other")
    with pytest.raises(Exception):  # noqa: B017 - each store has its own kind
        await state.forget([ADA], {one: 0, other: "not a number"}, emails={})  # type: ignore[dict-item]
    for connection in (one, other):
        assert (set(state.people([ADA])), set(state.told(connection, [ADA]))) == ({ADA}, {ADA})
        assert (await state.counts(connection)).filtered == {}
    assert await state.forgetting() == []
    forgotten = await state.forget([ADA], {one: 1, other: 2}, emails={})
    assert set(forgotten) == {one, other}
    assert [(await state.counts(connection)).filtered for connection in (one, other)] == [
        {"forgotten": 3},
        {"forgotten": 4},
    ]


async def test_others_events_that_name_them_stay_without_their_name(state: State) -> None:
    connection = (await installed(state)).id
    naming = Event(
        "0199f3a0-0000-7000-8000-000000000001", "$create_alias", "bob", NOW_MS, NOW_MS, {"alias": ADA, "n": 1}
    )
    held = HeldEvent(position=6, distinct_id="bob", received_ms=NOW_MS, event=encode_event(naming))
    refused = letter(4, event=encode_event(naming))
    await state.settle(Settlement(connection=connection, lanes={}, held=[held], failures=[refused]))
    await state.forget([ADA], {connection: 0}, emails={})
    (event,) = [one.event for one in state.held(connection, ["bob"])]
    assert decode_event(event).properties == {"n": 1}
    (kept,) = await state.failures(connection)
    assert decode_event(kept.event).properties == {"n": 1}
    assert (await state.counts(connection)).filtered == {}


@pytest.mark.parametrize("distinct_id", ["Zoë 你好", "'; DROP TABLE people; --", "%_", "x" * 400])
async def test_any_id_can_be_forgotten(state: State, distinct_id: str) -> None:
    connection = (await installed(state)).id
    await learn(state, somebody(distinct_id), somebody("bob"))
    await state.settle(Settlement(connection=connection, lanes={}, told={distinct_id: told(distinct_id)}))
    assert await state.forget([distinct_id], {connection: 0}, emails={}) == {connection: Forgotten()}
    assert set(state.people([distinct_id, "bob"])) == {"bob"}
    assert state.told(connection, [distinct_id]) == {}
