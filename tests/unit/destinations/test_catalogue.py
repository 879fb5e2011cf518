"""Destinations of other packages: found by their entry point, or refused with a sentence that names the package."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from hogline.destinations.base import BadDestination
from hogline.destinations.catalogue import GROUP, find


def offered(monkeypatch: pytest.MonkeyPatch, key: object) -> list[EntryPoint]:
    module = ModuleType("somebody_elses")
    module.it = SimpleNamespace(key=key)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody_elses", module)
    return [EntryPoint("theirs", "somebody_elses:it", GROUP)]


def test_a_package_adds_its_destination_behind_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(find(offered(monkeypatch, "webhook"))) == ["customerio", "engage", "webhook"]


@pytest.mark.parametrize("key", ["customerio", "", "Two Words", "9", None, 3])
def test_its_key_is_its_own(key: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadDestination, match="'theirs' of somebody_elses:it needs a key of its own"):
        find(offered(monkeypatch, key))


@pytest.mark.parametrize(
    "value", ["there_is_no_such_module:it", "hogline.destinations.catalogue:there_is_no_such_name"]
)
def test_a_package_that_cannot_be_loaded_is_named(value: str) -> None:
    with pytest.raises(BadDestination, match="cannot be loaded"):
        find([EntryPoint("theirs", value, GROUP)])


def test_an_object_that_is_no_destination_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("somebody_elses")
    module.it = object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody_elses", module)
    with pytest.raises(BadDestination, match="cannot be loaded"):
        find([EntryPoint("theirs", "somebody_elses:it", GROUP)])


def test_every_command_says_so_in_a_sentence(tmp_path: Path) -> None:
    """A package as pip leaves it."""
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ntheirs = there_is_no_such_module:it\n")
    done = subprocess.run(
        [sys.executable, "-m", "hogline", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "hogline: The destination 'theirs' of theirs 1.0 cannot be loaded (ModuleNotFoundError). Update or uninstall "
        "that package.\n"
    )
