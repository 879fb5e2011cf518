"""Joins that went wrong in `python -m bench.soak joins`, each as the few events that it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from people_bench import Bench, alias, dangerously, identify, said

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.connect(identify_by_email=True)
    yield bench
    await bench.close()


async def test_what_an_alias_sets_counts_whichever_way_round_it_is(bench: Bench) -> None:
    await bench.deliver(identify("ada", 1, plan="free"), said("called", "crm", 2, set={"plan": "trial"}))
    await bench.deliver(replace(alias("crm", "ada", 3), set={"plan": "pro"}))
    assert bench.customer("ada").attributes == {"plan": "pro"}


async def test_an_email_only_customer_who_was_linked_is_not_merged_into_itself(bench: Bench) -> None:
    """The identify that gives Ada the old account's email links both: there is nobody left to merge."""
    await bench.deliver(identify("old", 1, email="ada@example.com"))
    await bench.deliver(identify("ada", 2), dangerously("ada", "old", 3), said("ordered", "ada", 4))
    assert bench.customers() == [("ada", "ada@example.com")]
    assert bench.server.workspace.without_effect == 0


async def test_an_old_accounts_customer_is_not_merged_into_itself(bench: Bench) -> None:
    """Whoever was no customer before becomes one under the email of the account that is merged."""
    await bench.reconnect(identify_by_email=True, anonymous_users="emails", hold_days=30)
    await bench.deliver(identify("old", 1, email="ada@example.com"))
    await bench.deliver(identify("ada", 2), dangerously("ada", "old", 3), said("ordered", "ada", 4))
    assert bench.customers() == [(None, "ada@example.com")]
    assert [(primary, secondary) for primary, secondary in bench.merges() if primary == secondary] == []
    assert bench.server.workspace.without_effect == 0
