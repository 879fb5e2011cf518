"""What every store must do, as tests. In a test file, say what your store is, and take all of them:

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def store(tmp_path: Path) -> Store:
        return MyStore(tmp_path)

    globals().update(store_suite())

`Store` is in `words`. The suite searches what it keeps for people who were forgotten.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from hogline.store.base import Journal, State
from hogline.testing.stores.words import Store

__all__ = ["store_suite"]


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


def store_suite() -> dict[str, Any]:
    """Every test by a name that says which part it belongs to, and the fixtures that they share."""
    found: dict[str, Any] = {"journal": journal, "state": state}
    for part in iter_modules(__path__):
        name = f"{__name__}.{part.name}"
        if name not in sys.modules:
            pytest.register_assert_rewrite(name)
        tests = {key: value for key, value in vars(import_module(name)).items() if key.startswith("test_")}
        found |= {f"test_{part.name}_{key.removeprefix('test_')}": test for key, test in tests.items()}
    return found
