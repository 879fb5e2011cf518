from collections.abc import Iterator
from pathlib import Path

import pytest

from hogline.testing import processes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def sandbox() -> Iterator[str]:
    """The URL of a fresh sandbox Customer.io."""
    with processes.sandbox() as running:
        yield running.url
