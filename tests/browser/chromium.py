"""Chromium: where it is, and how it comes onto a machine that has none."""

from __future__ import annotations

import os
import shutil
import subprocess
from ctypes.util import find_library
from functools import cache

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []
"""Chromium's own sandbox refuses to run as root, which containers do."""
_INSTALL = ("install", "--yes", "--quiet", "--no-install-recommends", "chromium", "libatomic1")
"""Playwright's driver needs libatomic, which a small Debian does not have."""
_WITHIN_S = 900


def path() -> str:
    """Chromium's program, installed if need be. Raises RuntimeError with what to do."""
    install()
    found = _found()
    if found is None:
        raise RuntimeError(
            "The browser tests need Chromium, and it could not be installed from here: as root, on Debian and Ubuntu, "
            "`apt-get update && apt-get install chromium libatomic1`."
        )
    return found


@cache
def install() -> None:
    """Debian's Chromium, where it or something that its driver needs is not found and this may be done: as root, or as somebody whom sudo asks nothing. Tried
    once, and it may take minutes.
    """
    apt = shutil.which("apt-get")
    if apt is None or (_found() is not None and find_library("atomic") is not None):
        return
    sudo = shutil.which("sudo")
    if os.geteuid() != 0 and sudo is None:
        return
    before = [] if os.geteuid() == 0 else [str(sudo), "--non-interactive"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for arguments in (("update", "--quiet"), _INSTALL):
            subprocess.run(
                [*before, apt, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                timeout=_WITHIN_S,
            )
    except subprocess.TimeoutExpired:
        return  # `path` says what to do


def _found() -> str | None:
    return next((place for name in NAMES if (place := shutil.which(name))), None)
