"""The npm packages that tests play with, PostHog's SDKs among them; package-lock.json pins each by its hash.

`make install` has brought them already where it could. If they are missing all the same, they are fetched now; tests
that need them fail with a sentence if that is not possible, and are never skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FETCH = ("ci", "--include=dev")
FETCHED_WITHIN_S = 100
"""Less than a test may take."""


def package(name: str) -> Path:
    """The folder of a package as package-lock.json has it. Raises RuntimeError with what to do."""
    if not _is_there(name):
        _fetch()
    if not _is_there(name):
        raise RuntimeError(f"package-lock.json does not bring the npm package {name}.")
    return ROOT / "node_modules" / name


def program(name: str) -> str:
    """`node` or `npm`: this machine's, or that of the Node.js wheel. Raises RuntimeError with what to do."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise RuntimeError("These tests need Node.js: install it, or `pip install -r requirements-node.lock`.")
    return found


def _is_there(name: str) -> bool:
    pinned = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"][f"node_modules/{name}"]
    about = ROOT / "node_modules" / name / "package.json"
    return about.exists() and json.loads(about.read_text("utf-8"))["version"] == pinned["version"]


@cache
def _fetch() -> None:
    """Once in a run, whatever comes of it."""
    done = subprocess.run(
        [program("npm"), *FETCH], cwd=ROOT, capture_output=True, check=False, timeout=FETCHED_WITHIN_S
    )
    if done.returncode:
        # What npm says names addresses of this machine's set-up; its own log has all of it.
        raise RuntimeError(f"PostHog's SDKs could not be fetched (`npm ci`, exit code {done.returncode}).")
