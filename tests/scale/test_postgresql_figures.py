"""What is kept in PostgreSQL passes the suite of every store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.figures import PostgresqlFigures
from hogline.testing.logs import log_suite

pytestmark = pytest.mark.anyio


@pytest.fixture
def opens(aside: Aside) -> Callable[..., PostgresqlFigures]:
    return partial(PostgresqlFigures, aside)


globals().update(log_suite("figures"))
