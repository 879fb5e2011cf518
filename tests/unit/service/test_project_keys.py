"""`hogline token --add`: events under the key that a project has at PostHog."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_bench import TOKEN, bench_in

from hogline.service import CannotDo, Service

pytestmark = pytest.mark.anyio

KEY = "phc_2NDXBNtZKXqRBWxhPUQYHg0zGjUQYHg0zGjUQYHg0zG"
OLD_KEY = "sTMFPsFhdP1Ssg-8PVrTzM_ZcvvVT7QVnXbJYn1vq_c"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with bench_in(tmp_path) as bench:
        await bench.service.start()
        yield bench.service


@pytest.mark.parametrize("key", [KEY, f"  {KEY}\n", OLD_KEY])
async def test_events_are_taken_under_a_key_that_was_added(service: Service, key: str) -> None:
    added = await service.project_tokens.add(key)
    assert added.added == [key.strip()]
    assert service.token_check.kind(key.strip()) == "public"
    assert service.token_check.kind(TOKEN) == "private"


async def test_the_token_that_is_shown_stays_the_one_that_was_made_here(service: Service) -> None:
    await service.project_tokens.add(KEY)
    rotated = await service.project_tokens.rotate()
    assert (rotated.older, rotated.added) == ([TOKEN], [KEY])
    assert rotated.token.startswith("hog_")
    assert rotated.webhook_url.endswith(rotated.token)


async def test_a_key_that_is_removed_is_not_taken_any_more(service: Service) -> None:
    await service.project_tokens.add(KEY)
    assert (await service.project_tokens.revoke(KEY)).added == []
    assert service.token_check.kind(KEY) is None
    with pytest.raises(CannotDo, match="Token not found"):
        await service.project_tokens.revoke(KEY)


async def test_each_kind_is_rotated_and_revoked_by_itself(service: Service) -> None:
    before = await service.project_tokens.show()
    assert service.token_check.kind(before.public_token) == "public"
    rotated = await service.project_tokens.rotate(public=True)
    assert (rotated.token, rotated.older, rotated.older_public) == (TOKEN, [], [before.public_token])
    with pytest.raises(CannotDo, match="newest token"):
        await service.project_tokens.revoke(rotated.public_token)
    assert (await service.project_tokens.revoke(before.public_token)).older_public == []
    assert service.token_check.kind(before.public_token) is None


async def test_the_newest_of_ours_cannot_be_revoked_though_a_key_came_later(service: Service) -> None:
    await service.project_tokens.add(KEY)
    with pytest.raises(CannotDo, match="newest token"):
        await service.project_tokens.revoke(TOKEN)


async def test_a_project_with_keys_alone_gets_a_token_too(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        state = bench.service.state
        await state.remove_token(TOKEN)
        await state.add_token(KEY)
        await bench.service.start()
        assert (await bench.service.project_tokens.show()).token.startswith("hog_")


WRONG = {
    "phx_2NDXBNtZKXqRBWxhPUQYHg0": "personal API key",
    "phs_2NDXBNtZKXqRBWxhPUQYHg0": "secret key",
    "hog_2NDXBNtZKXqRBWxhPUQYHg0": "hogline token --rotate",
    "phc_…": "not a PostHog project API key",
    "phc_a b": "not a PostHog project API key",
    "a" * 65: "not a PostHog project API key",
    "short": "not a PostHog project API key",
    "": "not a PostHog project API key",
    "phc_2NDX/../BNtZKX": "not a PostHog project API key",
}


@pytest.mark.parametrize("key", WRONG)
async def test_what_is_no_key_of_a_project_is_refused_with_a_sentence(service: Service, key: str) -> None:
    with pytest.raises(CannotDo) as told:
        await service.project_tokens.add(key)
    assert WRONG[key] in str(told.value)
    assert len(key) < 9 or key not in str(told.value)
    assert (await service.project_tokens.show()).added == []


async def test_a_key_is_added_once(service: Service) -> None:
    await service.project_tokens.add(KEY)
    with pytest.raises(CannotDo, match="already"):
        await service.project_tokens.add(KEY)
    assert (await service.project_tokens.show()).added == [KEY]
