"""What may be said of a mistake of ours: its kind and its place. Never its text, which may quote what was sent."""

from __future__ import annotations

import traceback
from pathlib import Path


def kind_and_place(mistake: BaseException) -> str:
    """Such as `KeyError at plan.py:120`: enough to find it. Of a group, the first of what it holds."""
    while isinstance(mistake, BaseExceptionGroup):
        mistake = mistake.exceptions[0]
    frames = traceback.extract_tb(mistake.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(mistake).__name__} at {place}"
