"""What is kept in files passes the suite of every store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hogline.store.sqlite.audit import SqliteAudit
from hogline.testing.logs import log_suite

pytestmark = pytest.mark.anyio


@pytest.fixture
def opens(tmp_path: Path) -> Callable[..., SqliteAudit]:
    return partial(SqliteAudit, tmp_path / "audit.db")


globals().update(log_suite("audit"))
