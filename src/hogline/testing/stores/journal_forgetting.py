"""What the journal promises of forgetting: of an event that is rewritten nothing is left but its place."""

from __future__ import annotations

from hogline.model import Event
from hogline.posthog.entry import FORGOTTEN, decode_event, encode_event
from hogline.store.base import Journal
from hogline.testing.stores.words import NOW_MS, Store, body


def of(distinct_id: str, number: int = 0, **properties: object) -> bytes:
    uuid = f"0199f3a0-0000-7000-8000-{number:012d}"
    return encode_event(Event(uuid, "x", distinct_id, NOW_MS, NOW_MS, properties))


async def test_what_is_forgotten_leaves_its_place_and_nothing_else(store: Store, journal: Journal) -> None:
    await journal.append([of("ada-lovelace", 1, secret="quince-4711"), body(2), of("ada-lovelace", 3)])
    await journal.rewrite({1: FORGOTTEN, 3: FORGOTTEN})
    assert await journal.clean()
    assert await journal.read(0, 10) == [(1, FORGOTTEN), (2, body(2)), (3, FORGOTTEN)]
    assert (journal.first, journal.end) == (1, 3)
    assert decode_event(FORGOTTEN).distinct_id == ""
    kept = await store.kept()
    assert b"ada-lovelace" not in kept
    assert b"quince-4711" not in kept
    other = await store.journal()
    assert await other.read(0, 10) == await journal.read(0, 10)
    await other.close()


async def test_a_large_event_leaves_nothing_either(store: Store, journal: Journal) -> None:
    """It fills whole pages, which are given back."""
    await journal.append([of("ada", 1, text="quince-4711 " * 5_000), body(2)])
    await journal.rewrite({1: FORGOTTEN})
    assert await journal.clean()
    assert b"quince-4711" not in await store.kept()


async def test_what_was_trimmed_before_leaves_nothing_either(store: Store, journal: Journal) -> None:
    await journal.append([of("ada-lovelace", n, text="quince-4711") for n in range(50)])
    await journal.append([body(51)])
    await journal.trim(50, received_before_ms=NOW_MS + 1_000_000, most_bytes=10**12)
    assert await journal.clean()
    assert b"quince-4711" not in await store.kept()


async def test_forgetting_twice_nothing_or_what_is_not_there_changes_nothing(journal: Journal) -> None:
    await journal.append([body(1), body(2)])
    await journal.rewrite({})
    await journal.rewrite({1: FORGOTTEN})
    await journal.rewrite({1: FORGOTTEN, 7: FORGOTTEN})
    assert await journal.read(0, 10) == [(1, FORGOTTEN), (2, body(2))]


async def test_many_events_are_rewritten_at_once(journal: Journal) -> None:
    await journal.append([of("ada")] * 40_000)
    await journal.rewrite(dict.fromkeys(range(1, 40_001), FORGOTTEN))
    assert {one for _, one in await journal.read(0, 50_000)} == {FORGOTTEN}


async def test_an_event_may_be_left_with_less(journal: Journal) -> None:
    await journal.append([of("bob", 1, alias="ada-lovelace"), body(2)])
    await journal.rewrite({1: of("bob", 1)})
    assert await journal.read(0, 10) == [(1, of("bob", 1)), (2, body(2))]


async def test_appending_goes_on_beside_forgetting(journal: Journal) -> None:
    await journal.append([of("ada")] * 10)
    await journal.rewrite(dict.fromkeys(range(1, 11), FORGOTTEN))
    assert await journal.append([body(11)]) == 11
    assert [one for _, one in await journal.read(10, 5)] == [body(11)]


async def test_events_are_found_by_what_stands_in_them_in_any_case_and_in_order(journal: Journal) -> None:
    await journal.append([of("ada", 1, email="Ada@Example.com"), body(2), of("bob", 3, alias="ADA"), of("zoë", 4)])

    async def positions(*texts: str) -> list[int]:
        return [position async for position, _ in journal.naming(texts)]

    assert await positions("ada@example.com") == [1]
    assert await positions("ada", "zoë") == [1, 3, 4]
    assert await positions("quince") == []


async def test_many_large_events_are_searched_whole(journal: Journal) -> None:
    large = "x" * 900_000
    await journal.append([of("ada" if n % 5 == 4 else "bob", n, text=large) for n in range(20)])
    assert [position async for position, _ in journal.naming(["ada"])] == [5, 10, 15, 20]
