"""What `hogline serve` says once it is ready, in each role."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hogline.cli import serve as command
from hogline.cli.printing import SafeConsole
from hogline.runtime.serve import Role
from hogline.service.core import Addresses, ConsoleDoor
from hogline.settings import read_settings
from hogline.store.datadir.secrets import Vault

RECEIVES = "Receiving at http://a; data in {}. Run `hogline token` for the URL to give PostHog."
DELIVERS = "Ready to deliver as soon as no other process delivers. `hogline workers` shows all of them."


@pytest.mark.parametrize(
    ("store", "only", "said"),
    [
        ("", None, RECEIVES),
        ("postgresql://x", None, RECEIVES.format("PostgreSQL")),
        ("postgresql://x", "receive", RECEIVES.format("PostgreSQL")),
        ("postgresql://x", "deliver", DELIVERS),
        ("postgresql://x", "console", None),
    ],
)
def test_it_says_what_it_does_and_where_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, only: Role | None, said: str | None
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(command, "err", SafeConsole(file=out, width=1_000, highlight=False))
    key = Vault.new_key()
    settings = read_settings(data=tmp_path, **({"store": store, "secret_key": key} if store else {}))
    addresses = Addresses("http://a")
    addresses.watched = "http://m"
    addresses.console = ConsoleDoor("http://c", None, None)
    command._tell(settings, only, addresses)
    first = [said.format(tmp_path)] if said else []
    assert out.getvalue().splitlines() == [*first, "Metrics at http://m/metrics", "Console at http://c"]
