"""What the state promises of tokens and connections: durable, whole, and gone when they are removed."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hogline.core.changes import Settlement
from hogline.store.base import Connection, Counts, NameTaken, Replay, State
from hogline.testing.stores.words import NOW_MS, Store, installed, letter, told

OPTIONS: dict[str, object] = {
    "site_id": "søte",
    "api_key": "k'e\"y",
    "identify_by_email": True,
    "hold_days": 7,
    "event_allowlist": "",
    "none": None,
}


async def test_a_new_state_knows_nothing(state: State) -> None:
    assert await state.tokens() == []
    assert await state.connections() == []


async def test_tokens_are_listed_newest_last(store: Store, state: State) -> None:
    for token in ("hog_one", "hog_two", "hog_three"):
        await state.add_token(token)
    assert await state.tokens() == ["hog_one", "hog_two", "hog_three"]

    other = await store.state()
    assert await other.tokens() == ["hog_one", "hog_two", "hog_three"]
    await other.close()


async def test_a_removed_token_is_gone_and_the_others_stay(store: Store, state: State) -> None:
    for token in ("hog_one", "hog_two", "hog_three"):
        await state.add_token(token)
    await state.remove_token("hog_two")
    await state.remove_token("hog_unknown")
    assert await state.tokens() == ["hog_one", "hog_three"]

    other = await store.state()
    assert await other.tokens() == ["hog_one", "hog_three"]
    await other.close()


async def test_a_connection_comes_back_as_it_was_installed(store: Store, state: State) -> None:
    added = await state.add_connection(
        name="shop", destination="customerio", options=OPTIONS, paused=False, start=17, now_ms=NOW_MS
    )

    assert added == Connection(
        id=added.id,
        name="shop",
        destination="customerio",
        options=OPTIONS,
        paused=False,
        stopped=None,
        start=17,
        created_ms=NOW_MS,
        since_ms=NOW_MS,
    )
    assert await state.connections() == [added]
    other = await store.state()
    assert await other.connections() == [added]
    await other.close()


async def test_connections_are_listed_in_the_order_of_their_installation(state: State) -> None:
    for name in ("zebra", "apple", "mango"):
        await installed(state, name)
    assert [connection.name for connection in await state.connections()] == ["zebra", "apple", "mango"]


async def test_two_connections_cannot_have_one_name(state: State) -> None:
    first = await installed(state, "shop")
    with pytest.raises(NameTaken):
        await installed(state, "shop", options={"site_id": "other"})
    assert await state.connections() == [first]


async def test_of_many_who_take_a_name_at_once_one_gets_it(state: State) -> None:
    results = await asyncio.gather(*(installed(state, "shop") for _ in range(10)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Connection"] + ["NameTaken"] * 9
    assert len(await state.connections()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"site_id": "new", "api_key": "newer"}},
        {"paused": True, "since_ms": NOW_MS + 1},
        {"stopped": "The credentials are wrong: give the right ones."},
        {"options": {}, "paused": True, "stopped": "Somebody's name is Zoë."},
    ],
    ids=["options", "paused", "stopped", "all"],
)
async def test_a_connections_options_and_standing_can_be_changed(
    store: Store, state: State, change: dict[str, object]
) -> None:
    other = await installed(state, "other")
    changed = msgspec.structs.replace(await installed(state, "shop"), **change)

    await state.change_connection(changed)

    assert await state.connections() == [other, changed]
    again = await store.state()
    assert await again.connections() == [other, changed]
    await again.close()


async def test_a_connection_that_had_stopped_itself_can_go_on(state: State) -> None:
    connection = await installed(state)
    await state.change_connection(msgspec.structs.replace(connection, stopped="Wrong credentials."))
    await state.change_connection(connection)
    assert await state.connections() == [connection]


async def test_a_removed_connection_leaves_nothing(state: State) -> None:
    removed, stays = await installed(state, "removed"), await installed(state, "stays")
    for connection in (removed, stays):
        await state.settle(
            Settlement(
                connection=connection.id,
                lanes={0: 5, 3: 9},
                told={"ann": told("ann")},
                delivered=3,
                filtered={"not_identified": 2},
                adjusted={"name_cut": 1},
                failures=[letter(4)],
                requests=2,
                retries={"503": 1},
            )
        )
        await state.begin_replay(connection.id, Replay(settled=0, last=9))
    kept = await state.counts(stays.id)

    await state.remove_connection(removed.id)

    assert await state.connections() == [stays]
    assert await state.lanes(removed.id) == {}
    assert await state.counts(removed.id) == Counts()
    assert state.told(removed.id, ["ann"]) == {}
    assert await state.find_people(removed.id, "") == []
    assert await state.failures(removed.id) == []
    assert await state.replay(removed.id) is None
    assert await state.lanes(stays.id) == {0: 5, 3: 9}
    assert await state.counts(stays.id) == kept
    assert state.told(stays.id, ["ann"]) == {"ann": told("ann")}
    assert await state.failures(stays.id) == [letter(4)]
    assert await state.replay(stays.id) == Replay(settled=0, last=9)


async def test_the_name_of_a_removed_connection_is_free_and_its_id_is_never_given_again(state: State) -> None:
    removed = await installed(state, "shop")
    await state.remove_connection(removed.id)
    assert (await installed(state, "shop")).id != removed.id


async def test_a_connections_text_form_shows_no_option(state: State) -> None:
    connection = await installed(state, options={"api_key": "canary"})
    assert "canary" not in f"{connection!r} {connection}"


async def test_closing_twice_does_no_harm(store: Store) -> None:
    state = await store.state()
    await state.add_token("hog_one")
    await state.close()
    await state.close()
    again = await store.state()
    assert await again.tokens() == ["hog_one"]
    await again.close()


async def test_tokens_are_of_two_kinds(store: Store, state: State) -> None:
    await state.add_token("hog_one")
    await state.add_token("hog_pub_one", "public")
    await state.add_token("hog_pub_two", "public")
    await state.remove_token("hog_pub_one")
    other = await store.state()
    for one in (state, other):
        assert await one.tokens() == ["hog_one"]
        assert await one.tokens("public") == ["hog_pub_two"]
    await other.close()
