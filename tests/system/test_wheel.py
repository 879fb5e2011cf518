"""What is installed is the wheel, not the checkout: with what it declares to need, and nothing else."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
SHIPPED = {".py", ".sql", ".typed", ".html", ".css", ".js", ".svg"}
READ_EVERYTHING = """
import importlib, pkgutil, hogline
# Those that need an extra of their own are left out.
left_out = ("hogline.testing", "hogline.store.postgresql", "hogline.store.copying.database")
for module in pkgutil.walk_packages(hogline.__path__, "hogline."):
    if module.name != "hogline.__main__" and not module.name.startswith(left_out):
        importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=REPOSITORY)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_carries_everything_that_runs(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("hogline/")}
    source = REPOSITORY / "src"
    assert {str(file.relative_to(source)) for file in source.rglob("*") if file.suffix in SHIPPED} <= packed
    assert {f"hogline/sources/static/{name}" for name in ("array.js", "version", "LICENSE.txt")} <= packed


def test_the_wheel_runs_alone(wheel: Path, tmp_path: Path) -> None:
    _install(wheel, tmp_path, "demo")
    done = _run("x/bin/hogline", "demo", cwd=tmp_path)
    assert "ada@example.com" in done.stdout
    assert re.search(r"delivered +6 ", done.stdout)


def test_without_the_sdk_the_demo_says_how_to_install_it(wheel: Path, tmp_path: Path) -> None:
    _install(wheel, tmp_path)
    done = _run("x/bin/hogline", "demo", cwd=tmp_path, code=1)
    assert done.stderr == (
        "hogline: The demo needs PostHog's SDK, which is not installed. Install it: `pip install 'hogline[demo]'`, "
        "`pipx inject hogline posthog`, or `uvx --with posthog hogline demo`.\n"
    )
    _run("x/bin/python", "-c", READ_EVERYTHING, cwd=tmp_path)
    assert (
        "No connections yet" in _run("x/bin/hogline", "connections", "--data", tmp_path / "data", cwd=tmp_path).stdout
    )


def _install(wheel: Path, folder: Path, *extras: str) -> None:
    """As a user does, in the environment `x`. What the wheel needs is taken from this one: nothing is fetched."""
    _run(sys.executable, "-m", "venv", "x", cwd=folder)
    (packages,) = folder.glob("x/lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    (about,) = (folder / "unpacked").glob("*.dist-info")
    for needed in _needed(Distribution.at(about), set(extras)):
        for name in {file.parts[0] for file in needed.files or []} - {"..", "__pycache__"}:
            if not (packages / name).exists():
                (packages / name).symlink_to(str(needed.locate_file(name)))
    _run("x/bin/pip", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    _run("x/bin/pip", "check", cwd=folder)


def _needed(about: Distribution, extras: set[str]) -> list[Distribution]:
    """What this needs, and what that needs, …"""
    found: dict[tuple[str, frozenset[str]], Distribution] = {}
    asked = [(about, frozenset(extras))]
    while asked:
        of, chosen = asked.pop()
        for requirement in map(Requirement, of.requires or []):
            marker, key = requirement.marker, (requirement.name, frozenset(requirement.extras))
            needed = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *chosen))
            if needed and key not in found:
                found[key] = distribution(requirement.name)
                asked.append((found[key], key[1]))
    return list(found.values())


def _run(*command: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done
