"""What the state promises of what is sent again: failures that are retried or discarded, and replays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from hogline.core.changes import MOST_FREED, Intent, Settlement
from hogline.core.ledger import LedgerRow
from hogline.model import Identifier
from hogline.store.base import Counts, Replay, Span, State
from hogline.testing.stores.words import Store, installed, known, learn, letter, told

LETTERS = [letter(1, "invalid"), letter(3, "too_large"), letter(5, "invalid"), letter(8, "too_large")]


async def refused(state: State, name: str = "customerio") -> int:
    """A connection with four failures."""
    connection = await installed(state, name)
    await state.settle(Settlement(connection=connection.id, lanes={0: 8}, delivered=4, failures=LETTERS))
    return connection.id


async def retrying(state: State, connection: int) -> list[int]:
    return [one.position for one in await state.failures(connection, retrying=True)]


async def test_a_failure_is_found_by_its_position(state: State) -> None:
    connection, other = await refused(state), await installed(state, "other")
    assert await state.failure(connection, 3) == LETTERS[1]
    assert await state.failure(connection, 2) is None
    assert await state.failure(other.id, 3) is None


async def test_failures_of_a_reason_are_paged_by_position(state: State) -> None:
    connection = await refused(state)
    assert await state.failures(connection, reason="too_large") == [LETTERS[1], LETTERS[3]]
    assert await state.failures(connection, reason="too_large", after=3) == [LETTERS[3]]
    assert await state.failures(connection, reason="invalid", limit=1) == [LETTERS[0]]
    assert await state.failures(connection, reason="'") == []


async def test_the_newest_failures_come_first_if_asked(state: State) -> None:
    connection = await refused(state)
    assert await state.failures(connection, before=8) == [LETTERS[2], LETTERS[1], LETTERS[0]]
    assert await state.failures(connection, before=99, limit=1) == [LETTERS[3]]
    assert await state.failures(connection, before=8, reason="too_large") == [LETTERS[1]]


async def test_failures_are_chosen_by_when_they_failed(state: State) -> None:
    connection = (await installed(state)).id
    letters = [letter(position, "invalid", at_ms=1_000 * position) for position in (1, 2, 3)]
    await state.settle(Settlement(connection=connection, lanes={}, failures=letters))
    within = Span(2_000, 3_000)
    assert await state.failures(connection, within=within) == [letters[1]]
    assert await state.failure_counts(connection, within) == {"invalid": 1}
    assert await state.failure_counts(connection) == {"invalid": 3}
    assert await state.retry_failures(connection, within=within) == [2]
    assert await state.discard_failures(connection, within=Span(3_000)) == 1
    assert [one.position for one in await state.failures(connection)] == [1, 2]


CHOICES: list[tuple[str, Sequence[int] | None, list[int]]] = [
    ("", None, [1, 3, 5, 8]),
    ("invalid", None, [1, 5]),
    ("nothing", None, []),
    ("", [3, 8, 99], [3, 8]),
    ("", [], []),
    ("invalid", [1, 3], [1]),
]
each_choice = pytest.mark.parametrize(("reason", "positions", "chosen"), CHOICES)


@each_choice
async def test_those_that_are_chosen_are_retried_and_stay_failures_until_then(
    state: State, reason: str, positions: Sequence[int] | None, chosen: list[int]
) -> None:
    connection, other = await refused(state), await refused(state, "other")
    assert await retrying(state, connection) == []

    assert await state.retry_failures(connection, reason=reason, positions=positions) == chosen

    assert await retrying(state, connection) == chosen
    assert await retrying(state, other) == []
    assert await state.failures(connection) == LETTERS
    assert (await state.counts(connection)).settled == 8


@each_choice
async def test_those_that_are_discarded_are_gone_and_count_as_filtered(
    state: State, reason: str, positions: Sequence[int] | None, chosen: list[int]
) -> None:
    connection, other = await refused(state), await refused(state, "other")

    assert await state.discard_failures(connection, reason=reason, positions=positions) == len(chosen)

    left = [one for one in LETTERS if one.position not in chosen]
    assert await state.failures(connection) == left
    assert await state.failures(other) == LETTERS
    counts = await state.counts(connection)
    assert counts.filtered == ({"discarded": len(chosen)} if chosen else {})
    assert counts.settled == 8


async def test_a_retried_one_that_is_accepted_is_no_failure_any_more(store: Store, state: State) -> None:
    connection = await refused(state)
    await state.retry_failures(connection, positions=[3, 5])
    await state.settle(Settlement(connection=connection, lanes={}, delivered=1, resolved=[3]))

    other = await store.state()  # opened beside it: whatever it sees is on disk
    for one in (state, other):
        assert [letter.position for letter in await one.failures(connection)] == [1, 5, 8]
        assert await retrying(one, connection) == [5]
        counts = await one.counts(connection)
        assert (counts.delivered, counts.settled) == (5, 8)
    await other.close()


async def test_a_retried_one_that_is_refused_again_stays_with_its_new_reason(state: State) -> None:
    connection = await refused(state)
    await state.retry_failures(connection, positions=[3])
    again = letter(3, "invalid", at_ms=LETTERS[1].at_ms + 1)
    await state.settle(Settlement(connection=connection, lanes={}, failures=[again]))

    assert await state.failures(connection) == [LETTERS[0], again, *LETTERS[2:]]
    assert await retrying(state, connection) == []
    assert (await state.counts(connection)).failures == {"invalid": 3, "too_large": 1}


async def test_without_a_replay_there_is_none(state: State) -> None:
    assert await state.replay((await installed(state)).id) is None


async def test_a_replay_goes_on_where_it_was_and_ends_at_its_last_event(store: Store, state: State) -> None:
    connection, other = (await installed(state, "one")).id, (await installed(state, "other")).id
    begun = Replay(settled=4, last=9, events=("order completed", 'it\'s "x"'))
    await state.begin_replay(connection, begun)
    await state.begin_replay(other, Replay(settled=0, last=99))
    assert await state.replay(connection) == begun

    await state.settle(
        Settlement(connection=connection, lanes={}, replayed={"delivered": 2, "filtered": 1}, replay_settled=7)
    )
    again = await store.state()
    for one in (state, again):
        assert await one.replay(connection) == Replay(settled=7, last=9, events=begun.events)
    await again.close()

    await state.settle(Settlement(connection=connection, lanes={}, replayed={"delivered": 2}, replay_settled=9))
    assert await state.replay(connection) is None
    assert await state.replay(other) == Replay(settled=0, last=99)
    # They were counted when they came: only how often they were sent again is new.
    assert await state.counts(connection) == Counts(replayed={"delivered": 4, "filtered": 1})


async def test_a_new_replay_takes_the_place_of_one_that_is_under_way(state: State) -> None:
    connection = (await installed(state)).id
    await state.begin_replay(connection, Replay(settled=0, last=9, events=("a",)))
    await state.begin_replay(connection, Replay(settled=2, last=5))
    assert await state.replay(connection) == Replay(settled=2, last=5)


async def test_failures_are_read_by_bytes_but_never_none(state: State) -> None:
    connection = (await installed(state)).id
    letters = [replace(LETTERS[0], position=position, event=b"x" * 100) for position in range(1, 6)]
    await state.settle(Settlement(connection=connection, lanes={}, failures=letters))
    for most_bytes, found in ((1, 1), (200, 2), (299, 2), (500, 5)):
        assert len(await state.failures(connection, most_bytes=most_bytes)) == found


async def test_whoever_is_known_by_an_email_that_is_free_is_looked_at_again(state: State) -> None:
    connection, other = (await installed(state)).id, (await installed(state, "other")).id
    await learn(state, known("ada", "a@x.co"), known("ann", "a@x.co"), known("bob", "b@x.co"), known("eve", "a@x.co"))
    met = {name: told(name) for name in ("ada", "ann", "bob")}  # eve is a stranger here
    settlement = Settlement(connection=connection, lanes={}, freed=["a@x.co", "nobody@x.co"], unwritten=["new", "ann"])
    await state.settle(replace(settlement, told=met))
    await state.settle(replace(settlement, again_done=[("freed", "ada")]))  # it became free once more
    assert state.again(connection, 9) == [("freed", "ada"), ("freed", "ann"), ("freed", "new")]
    assert state.again(other, 9) == []


async def test_of_very_many_who_are_known_by_one_email_some_are_looked_at(state: State) -> None:
    connection = (await installed(state)).id
    many = [f"u{n}" for n in range(MOST_FREED + 1)]
    await learn(state, *[known(one, "info@x.co") for one in many], known("zoe", "zoe@x.co"))
    met = {one: told(one) for one in (*many, "zoe")}
    await state.settle(Settlement(connection=connection, lanes={}, told=met, freed=["info@x.co", "zoe@x.co"]))
    asked = [person for _, person in state.again(connection, 2 * MOST_FREED)]
    assert (len(asked), asked[-1]) == (MOST_FREED + 1, "zoe")


async def test_whoever_was_denied_an_email_that_is_free_by_now_is_looked_at_again(state: State) -> None:
    connection = (await installed(state)).id
    rows = {"a@x.co": _row("ada"), "b@x.co": replace(_row("bob"), state="left"), "c@x.co": _row("cay")}
    await state.intend(Intent(connection, {}, rows))
    denied = {"u1": "a@x.co", "u2": "b@x.co", "u3": "nobody@x.co", "u4": "c@x.co"}
    await state.settle(Settlement(connection=connection, lanes={}, ledger={"c@x.co": None}, denied=denied))
    assert state.again(connection, 9) == [("freed", "u2"), ("freed", "u3"), ("freed", "u4")]


def _row(person: str) -> LedgerRow:
    return LedgerRow(person, "accepted", Identifier("id", person), others=0)
