"""What is kept in files passes the suite of every store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest

from hogline.store.event_log import Query
from hogline.store.sqlite.event_log import SqliteEventLog
from hogline.testing.logs import log_suite
from hogline.testing.logs.event_log import noted, shipped

pytestmark = pytest.mark.anyio


@pytest.fixture
def opens(tmp_path: Path) -> Callable[..., SqliteEventLog]:
    return partial(SqliteEventLog, tmp_path / "events.db")


globals().update(log_suite("event_log"))


async def test_an_outcome_whose_transaction_failed_gets_its_number_again(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "events.db")
    log._written.execute("CREATE TEMP TRIGGER full BEFORE UPDATE ON progress BEGIN SELECT RAISE(FAIL, 'x'); END")
    with pytest.raises(apsw.Error):
        await log.take([shipped(noted(1, "failed", "first"))], 0)
    log._written.execute("DROP TRIGGER full")
    await log.take([shipped(noted(2, "failed", "second")), shipped(noted(3, "failed", "first"))], 0)
    await log.close()
    again = SqliteEventLog(tmp_path / "events.db")
    assert [one.reason for one in await again.find(Query(connections=[1]), 10)] == ["first", "second"]
    await again.close()
