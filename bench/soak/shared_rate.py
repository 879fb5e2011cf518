"""How much of one connection's rate limit four processes use together while events wait, counted at a server in a
separate process. Hogline's processes and PostgreSQL are the real ones.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from bench.deliverers import until_spread
from bench.soak.counted import RateFigures, counted, figures
from bench.soak.shared import DELIVERERS, Member, settings
from hogline.testing.postgresql import private
from hogline.testing.processes import connect, everywhere, hogline_json, post

PEOPLE = 4_000
EVENT_BYTES = 20_000
BATCH = 100
REQUEST_BYTES = 500_000
"""There is room for so much in a request."""
SETTLES_S = 5.0
"""Until all have their lanes and have read what waits there."""


def rate(folder: Path, url: str, *, per_second: int, latency_ms: int, seconds: float) -> RateFigures:
    """`url`: of the database, which all commands use."""
    with counted(latency_ms) as (port, came), ExitStack() as stack:
        connect(folder / "here", f"http://127.0.0.1:{port}", "--max-requests-per-second", str(per_second))
        token = hogline_json(folder / "here", "token")["token"]
        _receive(
            folder / "receiver", token, int(per_second * (SETTLES_S + seconds) * 1.5 * REQUEST_BYTES / EVENT_BYTES)
        )
        members = [Member(folder / str(number), "deliver") for number in range(DELIVERERS)]
        for member in members:
            stack.callback(member.end, kill=True)
            member.start()
        until_spread(url, DELIVERERS)
        spread_s = time.monotonic()
        time.sleep(SETTLES_S + seconds)
        came_s = came()
        settles_s = spread_s + SETTLES_S - came_s[0]
        return figures(came_s, settles_s=settles_s, per_second=per_second, latency_ms=latency_ms, seconds=seconds)


def _receive(data: Path, token: str, events: int) -> None:
    """Everything is in the journal before anyone delivers."""
    receiver, text = Member(data, "receive"), "x" * EVENT_BYTES
    receiver.start()
    try:
        assert receiver.running is not None
        for at in range(0, events, BATCH):
            batch = [
                {"event": "clicked", "distinct_id": f"person-{n % PEOPLE}", "properties": {"text": text}}
                for n in range(at, at + BATCH)
            ]
            assert post(f"{receiver.running.url}/batch", {"api_key": token, "batch": batch}, token) == 200
    finally:
        receiver.end(kill=False)


def print_figures(work: Path, _seed: int, part: float) -> None:
    good = True
    for per_second, latency_ms in ((20, 50), (20, 200), (50, 50)):
        with private(durable=True) as server:
            everywhere.update(settings(server))
            own, url = work / f"{per_second}-{latency_ms}", server.url("postgres")
            found = rate(own, url, per_second=per_second, latency_ms=latency_ms, seconds=max(3.0, 20 * part))
        print(f"  {found}", flush=True)
        good &= found.good
    if not good:
        sys.exit("Less than 95 % was used, or more than allowed.")
