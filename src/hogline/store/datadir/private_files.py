"""Small files in the data directory that only its user can read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

writing = threading.RLock()
"""Held from reading to writing, because threads change these files too."""


def write_whole(file: Path, content: bytes) -> None:
    """After a power cut, the file is either complete or as it was before. Raises OSError."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """Returns when everything created or renamed in the folder is on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
