"""Builds what is released into `dist`: the source distribution, the wheel, and an SBOM beside the wheel and within it.

Both are built twice, and the wheel once more out of the source distribution: the bytes must be the same. Then the wheel
is installed into an environment of its own as a user would, and runs the demo.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from hatch_build import FILES, SBOM, fetch  # noqa: E402  # stands at the top, where hatchling looks for it

DIST = ROOT / "dist"
ROOT_COMPONENT = "root-component"
WITHIN_S = 600


def main() -> int:
    for folder in FILES:
        (ROOT / folder / "built-from").unlink(missing_ok=True)  # what is released is fetched anew
    if problem := fetch(ROOT):
        print(f"The scripts, which belong in the wheel, could not be fetched: {problem}.", file=sys.stderr)
        return 1
    DIST.mkdir(exist_ok=True)
    for old in (*DIST.glob("*.whl"), *DIST.glob("*.tar.gz"), *DIST.glob("*.cdx.json")):
        old.unlink()
    with tempfile.TemporaryDirectory() as place:
        (ROOT / SBOM).write_text(_sbom(Path(place)))
    try:
        made = _build(ROOT, DIST)
        with tempfile.TemporaryDirectory() as place:
            _check(made, Path(place))
    finally:
        (ROOT / SBOM).unlink()
    for file in sorted(DIST.glob("hogline-*")):
        print(f"{file.stat().st_size:>9,} bytes  {file.relative_to(ROOT)}")
    return 0


def _sbom(place: Path) -> str:
    """What Hogline runs with, in the versions that are locked and tested, and the npm packages in the wheel."""
    uv, needs, alone = (sys.executable, "-m", "uv"), place / "needs.txt", place / "alone"
    compiled = ("--quiet", "--extra", "demo", "--constraint", "requirements.lock", "--generate-hashes", "-o", needs)
    _run(*uv, "pip", "compile", *compiled, "pyproject.toml")
    _run(*uv, "venv", "--quiet", "--python", sys.executable, alone)
    _run(*uv, "pip", "install", "--quiet", "--python", alone, "--requirement", needs)
    told = ("--pyproject", "pyproject.toml", "--output-reproducible", alone)
    sbom = json.loads(_run(sys.executable, "-m", "cyclonedx_py", "environment", *told))
    for script in _scripts():
        sbom["components"].append(script)
        sbom["dependencies"].append({"ref": script["bom-ref"]})
        (root,) = (entry for entry in sbom["dependencies"] if entry["ref"] == ROOT_COMPONENT)
        root["dependsOn"] = sorted([*root["dependsOn"], script["bom-ref"]])
    text = json.dumps(sbom, indent=2, sort_keys=True) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"The SBOM is not valid CycloneDX: {problem}")
    return text


def _scripts() -> list[dict[str, Any]]:
    """The npm packages that scripts in the wheel are made of, as components."""
    locked: dict[str, dict[str, Any]] = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    found = []
    for place, package in sorted(locked.items()):
        if not place or package.get("dev"):
            continue
        name = place.removeprefix("node_modules/")
        purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
        algorithm, digest = package["integrity"].split("-", 1)
        hashes = [{"alg": f"SHA-{algorithm.removeprefix('sha')}", "content": base64.b64decode(digest).hex()}]
        declared = json.loads((ROOT / place / "package.json").read_text()).get("license")
        licenses = {"licenses": [{"expression": declared}]} if declared else {}
        component = {"type": "library", "bom-ref": purl, "purl": purl, "name": name, "version": package["version"]}
        found.append({**component, **licenses, "hashes": hashes})
    return found


def _build(source: Path, folder: Path) -> dict[str, bytes]:
    """Build both into a folder: names and contents."""
    _run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=source)
    (wheel,) = folder.glob("*.whl")
    shutil.copyfile(source / SBOM, wheel.with_suffix(".cdx.json"))
    return {file.name: file.read_bytes() for file in folder.glob("hogline-*") if file.is_file()}


def _check(made: Mapping[str, bytes], place: Path) -> None:
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".dist-info/sboms/" + SBOM.name) for name in names), "There is no SBOM in the wheel."
    for folder in FILES:
        assert f"{folder.relative_to('src')}/built-from" in names, f"The scripts of {folder} are not in the wheel."
    assert _build(ROOT, place / "again") == made, "Built again, it is not the same."
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    third = _build(place / sdist.name.removesuffix(".tar.gz"), place / "third")
    assert third[wheel.name] == made[wheel.name], "Built out of the source distribution, it is not the same."
    print(_run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist), end="")
    print(_run(sys.executable, "-m", "check_wheel_contents", wheel), end="")
    _run(sys.executable, "-m", "venv", "x", cwd=place)
    _run("x/bin/pip", "install", "--quiet", f"{wheel}[demo]", cwd=place)
    assert "ada@example.com" in _run("x/bin/hogline", "demo", cwd=place), "The demo did not bring Ada."
    print(f"{wheel.name}: installs and runs alone")


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    if done.returncode:
        sys.exit(f"`{' '.join(map(str, command))}` ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
