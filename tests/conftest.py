import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

# Most tests wait for a disk, which proves nothing: what a crash leaves behind is asked with kills and simulated power
# cuts. So where memory can be used as a disk, it is.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, not a file
_ENOUGH_BYTES = 2_000_000_000
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)
# Tests kill Hogline dozens of times, and a request to this machine is not on its way for long.
os.environ.setdefault("HOGLINE_QUIET_AFTER_KILL_S", "0.3")


MEASURED = ("unit", "conformance")
"""Folders whose tests show that every branch is covered. In the others, measuring it would cost half of the time; a test
that is needed for it is marked `measured`."""


SLOWEST = ("crash", "browser", "model", "system")
"""Folders in the order of how long their tests take. They go first, so that no worker is left with a long one."""


@pytest.hookimpl(trylast=True)  # behind the one that shuffles them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    folders = {item: item.path.relative_to(here).parts[0] for item in items if item.path.is_relative_to(here)}
    for item in items:
        if folders.get(item, MEASURED[0]) not in MEASURED and item.get_closest_marker("measured") is None:
            item.add_marker("no_cover")
    order = {folder: number for number, folder in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(folders.get(item, ""), len(order)))


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
