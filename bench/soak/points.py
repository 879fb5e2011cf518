"""Small histories, each with a death at every point (`tests/model/points.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def print_figures(_work: Path, _seed: int, part: float) -> None:
    done = subprocess.run([sys.executable, "-m", "tests.model.points", str(part)], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit("A death at one of these points ends wrong.")
