"""The audit of dependencies fails for what is known to be vulnerable, and for nothing else."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import audit

SKIPPED = b'{"name": "aiohttp", "skip_reason": "not found"}'
CLEAN = b'{"name": "aiohttp", "version": "3.14", "vulns": []}'
BAD = b'{"name": "rich", "version": "15", "vulns": [{"id": "X-1", "fix_versions": ["16"]}]}'


@pytest.mark.parametrize(
    ("dependencies", "code", "says"),
    [
        ([SKIPPED], 0, "not audited"),
        ([], 0, "not audited"),
        ([CLEAN, SKIPPED], 0, "1 dependencies audited, 0 with"),
        ([CLEAN, BAD], 1, "rich 15: X-1, fixed in 16"),
    ],
)
def test_what_the_audit_says(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dependencies: Sequence[bytes],
    code: int,
    says: str,
) -> None:
    told = b'{"dependencies": [' + b", ".join(dependencies) + b"]}"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0, told, b""))
    assert audit.main() == code
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("told", [b"", b"Traceback"])
def test_an_index_that_cannot_be_reached_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], told: bytes
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 1, told, b""))
    assert audit.main() == 0
    assert "No index" in capsys.readouterr().out
