"""What the audit log, the event log and the figures over time must do, as tests for each store that keeps them.

A test file has a fixture `opens`, which gives a function that opens one; and `globals().update(log_suite("audit"))`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Literal

import pytest

_FIXTURES = ("audit", "history", "log")


def log_suite(part: Literal["audit", "event_log", "figures"]) -> dict[str, Any]:
    """Its tests, and the fixture that opens what is tested."""
    name = f"{__name__}.{part}"
    if name not in sys.modules:
        pytest.register_assert_rewrite(name)
    return {key: each for key, each in vars(import_module(name)).items() if key.startswith("test_") or key in _FIXTURES}
