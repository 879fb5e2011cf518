"""Files in a data directory that are not Hogline's own, but may name people: copies that somebody made."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

_OURS = re.compile(r"\w+\.db(?:-wal|-shm|-journal)?|lock|control\.sock|secret\.key")
"""What this process may have open itself: opening and closing it once more would take its locks away."""
_TELLING_CHARACTERS = 6
"""A shorter text is found anywhere."""
_BLOCK_BYTES = 1 << 20


def strays_with(folder: Path, texts: Collection[str]) -> list[str]:
    """Those that have one of these texts in them, by their paths in the folder. Looks through every byte."""
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
        pass  # it is gone, or not ours to read
    return False
