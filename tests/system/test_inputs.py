"""20,000 generated bodies against the receiving side. A short version of `python -m bench.soak inputs`."""

from __future__ import annotations

import pytest

from bench.soak.inputs import inputs

pytestmark = pytest.mark.anyio


async def test_no_body_gets_a_5xx_or_an_exception_and_memory_stays_bounded() -> None:
    found = await inputs(20_000, seed=20_261_101)
    assert found.mistakes == []
    assert sum(found.answers.values()) == found.bodies
    assert found.kept >= 2_000  # many of them are good enough to be kept: it is no test of the first check only
    assert {200, 400, 401} <= found.answers.keys()
    assert found.memory_growth_bytes <= 32_000_000
