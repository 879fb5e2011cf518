"""Files in a data directory that are not Hogline's but may contain someone's id: copies that you made."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

_OURS = re.compile(r"\w+\.db(?:-wal|-shm|-journal)?|lock|control\.sock|secret\.key")
"""Files that this process may have open. Opening and closing one again would release its locks."""
_TELLING_CHARACTERS = 6
"""Shorter texts occur everywhere."""
_BLOCK_BYTES = 1 << 20


def strays_with(folder: Path, texts: Collection[str]) -> list[str]:
    """The files that contain one of these texts, by their path in the folder. Reads every byte."""
    needles = [text.encode("utf-8", "surrogatepass") for text in texts if len(text) >= _TELLING_CHARACTERS]
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    strays = [file for file in files if file.parent != folder or not _OURS.fullmatch(file.name)]
    return [str(file.relative_to(folder)) for file in strays if _has(file, needles)]


def _has(file: Path, needles: Collection[bytes]) -> bool:
    overlap = max(map(len, needles), default=0)
    before = b""
    try:
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK_BYTES):
                if any(needle in before + block for needle in needles):
                    return True
                before = block[-overlap:]
    except OSError:
        pass  # it is gone, or we may not read it
    return False
