"""What the state promises of everyone who is sent again: in portions, through a restart, until it is cancelled."""

from __future__ import annotations

from hogline.core.changes import Settlement
from hogline.store.base import State
from hogline.store.resending import Resending
from hogline.testing.stores.words import Store, installed, told


async def test_everyone_is_added_to_those_who_are_sent_again_in_portions(store: Store, state: State) -> None:
    one, other = await installed(state, "one"), await installed(state, "other")
    names = [f"user {number}" for number in range(5)]
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in names}))
    assert state.resending(one.id) is None
    await state.resend_everyone(one.id)
    assert state.resending(one.id) == Resending(people=5, asked=0)
    assert await state.resend_more(one.id, 3) == 3
    await state.resend_everyone(one.id)  # it goes on
    later = await store.state()  # whatever it sees is on disk
    assert later.resending(one.id) == Resending(people=5, asked=3)
    assert later.again(one.id, 10) == [("again", name) for name in names[:3]]
    await later.close()
    assert await state.resend_more(one.id, 3) == 2
    assert await state.resend_more(one.id, 3) == 0
    assert (state.resending(one.id), state.resending(other.id)) == (None, None)
    assert [person for _, person in state.again(one.id, 10)] == names


async def test_sending_everyone_again_can_be_cancelled(state: State) -> None:
    one = await installed(state)
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in "abc"}))
    await state.resend_everyone(one.id)
    await state.resend_more(one.id, 1)
    await state.cancel_resending(one.id)
    await state.cancel_resending(one.id)
    assert state.resending(one.id) is None
    assert await state.resend_more(one.id, 9) == 0
    assert state.again(one.id, 9) == [("again", "a")]


async def test_how_far_everyone_is_does_not_name_somebody_who_is_forgotten(state: State) -> None:
    one = await installed(state)
    await state.settle(Settlement(connection=one.id, lanes={}, told={name: told(name) for name in "abcd"}))
    await state.resend_everyone(one.id)
    await state.resend_more(one.id, 2)
    await state.forget(["b"], {one.id: 0}, emails={})
    assert await state.resend_more(one.id, 9) == 2
    assert [person for _, person in state.again(one.id, 9)] == ["a", "c", "d"]
