from __future__ import annotations

import pytest

from hogline.loopback import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "example.com"],  # noqa: S104
)
def test_other_hosts_are_not(host: str) -> None:
    assert not is_loopback(host)
