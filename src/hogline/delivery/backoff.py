"""How long a connection waits after a failure: a pure function of attempts, response and a random number."""

from __future__ import annotations

FIRST_S = 1.0
MOST_S = 300.0
MOST_ASKED_S = 3_600.0


def pause_s(tries: int, asked_s: float | None, random: float) -> float:
    """Seconds to wait before the next attempt.

    Full jitter: between nothing and a ceiling that doubles with every failure in a row, from 1 s to 5 minutes, but at
    least as long as the destination asked for (`Retry-After`), up to an hour. `tries` counts failures in a row, from 1;
    `random` is in [0, 1).
    """
    ceiling = min(MOST_S, FIRST_S * 2.0 ** min(tries - 1, 20))
    asked = min(max(asked_s or 0.0, 0.0), MOST_ASKED_S)
    return max(ceiling * random, asked)
