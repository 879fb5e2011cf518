"""Accounts and API tokens that several processes use: the others know of a change before it returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from service_bench import bench_in

from hogline.runtime.told import told
from hogline.service import Service
from hogline.store.base import Unwritable

pytestmark = pytest.mark.anyio


class Others:
    """Other processes, as a console tells them."""

    def __init__(self) -> None:
        self.told = 0
        self.trouble = False

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        yield
        if self.trouble:
            raise Unwritable("They do not know it.")
        self.told += 1


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with bench_in(tmp_path) as bench:
        yield bench.service


async def test_every_change_is_told_and_reading_is_not(service: Service) -> None:
    others = Others()
    accounts, tokens = told(service.accounts, others.changing), told(service.api_tokens, others.changing)
    made = await tokens.make("t")
    assert [one.name for one in await tokens.revoke("t")] == []
    assert others.told == 2
    await accounts.add("ada", "viewer", "a long enough one")
    await accounts.set_role("ada", "operator")
    await accounts.set_password("another long one", "ada")
    await accounts.remove("ada")
    assert others.told == 6
    assert await accounts.all() == []
    assert tokens.find(made.token) is None
    assert others.told == 6


async def test_a_change_that_others_do_not_know_is_an_error(service: Service) -> None:
    others = Others()
    others.trouble = True
    with pytest.raises(Unwritable, match="They do not know it"):
        await told(service.accounts, others.changing).add("ada", "admin")
