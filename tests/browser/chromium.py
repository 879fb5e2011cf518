"""Chromium: where it is, and how it comes onto a machine that has none."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []
"""Chromium's own sandbox refuses to run as root, which containers do."""
INSTALL = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium")


def path() -> str:
    """Chromium's program. Where there is none, Debian's is installed if this may be done; else it is said what to do."""
    found = _found()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(("apt-get", "update", "--quiet"), check=False, capture_output=True)
        subprocess.run(
            INSTALL, check=False, capture_output=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        )
        found = _found()
    if found is None:
        raise RuntimeError("The browser tests need Chromium: on Debian and Ubuntu, apt install chromium.")
    return found


def _found() -> str | None:
    return next((place for name in NAMES if (place := shutil.which(name))), None)
