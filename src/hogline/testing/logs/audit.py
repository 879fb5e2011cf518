"""What an audit log promises: entries in their order, filtered, page by page, and an end to how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from hogline.store.audit import Action, Audit, AuditNote, Wanted


@pytest.fixture
async def audit(opens: Callable[..., Audit]) -> AsyncIterator[Audit]:
    opened = opens()
    yield opened
    await opened.close()


def noted(at_ms: int, action: Action = "sign_in", **others: object) -> AuditNote:
    given: dict[str, object] = {"who": "ada", "kind": "account", "address": "", **others}
    return AuditNote(at_ms=at_ms, action=action, **given)  # type: ignore[arg-type]


async def test_an_entry_comes_back_as_it_was(audit: Audit) -> None:
    details = {"what": 'quotes " and \\ backslashes', "n": 3, "list": ["ä", None]}
    one = noted(
        7, "options_changed", who="gra\\0ce \\ ü", address="::1", connection="shop", person="ab12", details=details
    )
    await audit.add(one, keep_since_ms=0)
    (entry,) = await audit.newest(Wanted())
    assert {name: getattr(entry, name) for name in one.__struct_fields__} == {
        name: getattr(one, name) for name in one.__struct_fields__
    }
    assert entry.number == 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"who": "bob"}, [3]),
        ({"action": "sign_out"}, [2]),
        ({"connection": "shop"}, [3, 2]),
        ({"person": "ab12"}, [3]),
        ({"connection": "shop", "person": "none"}, []),
        ({"since_ms": 2}, [3, 2]),
    ],
)
async def test_entries_are_found_by_anything(audit: Audit, wanted: dict[str, object], found: list[int]) -> None:
    await audit.add(noted(1), keep_since_ms=0)
    await audit.add(noted(2, "sign_out", connection="shop"), keep_since_ms=0)
    await audit.add(noted(3, "person_seen", who="bob", connection="shop", person="ab12"), keep_since_ms=0)
    filtered = Wanted(**wanted)  # type: ignore[arg-type]
    assert [one.number for one in await audit.newest(filtered)] == found
    assert [one.number for one in await audit.oldest(filtered)] == found[::-1]


async def test_old_entries_go_and_strangers_push_out_nothing(opens: Callable[..., Audit]) -> None:
    audit = opens(most_failed=3)
    await audit.add(noted(5), keep_since_ms=0)
    await audit.add(noted(10), keep_since_ms=6)
    for at_ms in range(11, 21):
        await audit.add(noted(at_ms, "sign_in_failed"), keep_since_ms=6)
    kept = [(one.number, one.at_ms, one.action) for one in await audit.oldest(Wanted())]
    assert kept == [(2, 10, "sign_in")] + [(n + 2, n + 10, "sign_in_failed") for n in (8, 9, 10)]
    await audit.close()


async def test_there_is_an_end_to_how_many_there_are(opens: Callable[..., Audit]) -> None:
    audit = opens(most_entries=4)
    for at_ms in range(10):
        await audit.add(noted(at_ms), keep_since_ms=0)
    assert [one.number for one in await audit.newest(Wanted())] == [10, 9, 8, 7]
    await audit.close()


async def test_pages_go_both_ways(audit: Audit) -> None:
    for at_ms in range(1, 8):
        await audit.add(noted(at_ms), keep_since_ms=0)
    assert [one.number for one in await audit.newest(Wanted(), before=6, limit=2)] == [5, 4]
    assert [one.number for one in await audit.oldest(Wanted(since_ms=2), after=1, limit=2)] == [2, 3]
    assert await audit.newest(Wanted(who="nobody")) == []


async def test_entries_at_the_same_time_get_numbers_without_gaps(audit: Audit) -> None:
    await asyncio.gather(*(audit.add(noted(1), keep_since_ms=0) for _ in range(20)))
    assert [one.number for one in await audit.oldest(Wanted())] == list(range(1, 21))


async def test_numbers_are_never_used_again(opens: Callable[..., Audit]) -> None:
    first = opens()
    await first.add(noted(1), keep_since_ms=0)
    await first.add(noted(2), keep_since_ms=3)  # takes itself away, too
    assert await first.newest(Wanted()) == []
    await first.close()
    again = opens()
    await again.add(noted(3), keep_since_ms=0)
    assert [one.number for one in await again.newest(Wanted())] == [3]
    await again.close()
