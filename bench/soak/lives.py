"""Random lives against an independent judge (`tests/model`), many of them, in two processes."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[2]
HISTORIES = 100_000
AT_ONCE = 500
PROCESSES = 2


class Lived(Struct):
    """What `python -m tests.model FIRST-LAST --json` prints."""

    histories: int
    events: int
    deaths: int
    requests: int
    merges: int
    wrong: dict[int, str]
    """What was wrong, by seed."""


def _live(seeds: range) -> Lived:
    command = [sys.executable, "-m", "tests.model", f"{seeds.start}-{seeds.stop}", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode()[-2_000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Lived)


def print_figures(histories: int, first: int) -> None:
    """Those of the seeds from `first` on."""
    began_s = time.monotonic()
    parts = [range(at, min(at + AT_ONCE, first + histories)) for at in range(first, first + histories, AT_ONCE)]
    total = Lived(0, 0, 0, 0, 0, {})
    with ThreadPoolExecutor(PROCESSES) as pool:
        for part, lived in zip(parts, pool.map(_live, parts), strict=True):
            for name in ("histories", "events", "deaths", "requests", "merges"):
                setattr(total, name, getattr(total, name) + getattr(lived, name))
            total.wrong |= lived.wrong
            for seed, wrong in lived.wrong.items():
                print(f"  {wrong}\n    .venv/bin/python -m tests.model {seed}", flush=True)
            if part.stop % 5_000 < AT_ONCE:
                print(
                    f"  seeds up to {part.stop:,}: {len(total.wrong)} wrong (to go on from here: --first={part.stop})",
                    flush=True,
                )
    print(f"  histories: {total.histories:,}; events: {total.events:,}; of them wrong: {len(total.wrong)}")
    print(f"  deaths: {total.deaths:,}; requests: {total.requests:,}; merges: {total.merges:,}")
    print(f"  seconds: {time.monotonic() - began_s:.0f}")
    if total.wrong:
        sys.exit("Some histories end wrong.")
