"""What is kept in files passes the suite of every store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hogline.store.sqlite.figures import SqliteFigures
from hogline.testing.logs import log_suite

pytestmark = pytest.mark.anyio


@pytest.fixture
def opens(tmp_path: Path) -> Callable[..., SqliteFigures]:
    return partial(SqliteFigures, tmp_path / "history.db")


globals().update(log_suite("figures"))
