"""Each test of this folder runs once on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conformance_stores import STORES, Store

from hogline.store.base import Journal, State


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = request.param(tmp_path)
    return made


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[Journal]:
    opened = await store.journal()
    yield opened
    await opened.close()


@pytest.fixture
async def state(store: Store) -> AsyncIterator[State]:
    opened = await store.state()
    yield opened
    await opened.close()
