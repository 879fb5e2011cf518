from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog


@pytest.fixture
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, debug lines too, whatever other tests set up."""
    before = structlog.get_config()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        yield captured
    structlog.contextvars.clear_contextvars()
    structlog.configure(**before)
