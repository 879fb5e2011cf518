"""Power cuts under the journal and the state, with their figures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from bench.soak.journal_cuts import JournalUnderCuts, synchronous_normal
from bench.soak.state_cuts import StateUnderCuts


def print_figures(cuts: int, work: Path, seed: int) -> None:
    """`cuts` of the journal, as many of the state, and a tenth of them of a journal that does not sync its commits.
    Raises AssertionError if the first two miss something, or the third does not.
    """
    journal = JournalUnderCuts(work / "journal", Random(seed))
    state = StateUnderCuts(work / "state", Random(seed))
    normal = JournalUnderCuts(work / "normal", Random(seed), weaken=synchronous_normal)
    for title, under_cuts, rounds in (
        ("journal", journal, cuts),
        ("state", state, cuts),
        ("journal with synchronous=NORMAL", normal, max(20, cuts // 10)),
    ):
        asyncio.run(_rounds(under_cuts, rounds))
        print(f"  {title}: {under_cuts.figures.sentence}", flush=True)
    assert journal.figures.missing == state.figures.missing == 0
    assert normal.figures.missing > 0


async def _rounds(under_cuts: JournalUnderCuts | StateUnderCuts, rounds: int) -> None:
    for _ in range(rounds):
        await under_cuts.round()
