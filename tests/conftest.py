from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _logs_begin_anew() -> Iterator[None]:
    """What one test sets up for logs, or says of what it is about, is nothing to the next one."""
    before = structlog.get_config()
    structlog.contextvars.clear_contextvars()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
