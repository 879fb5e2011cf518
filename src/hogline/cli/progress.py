"""The progress of a run, on standard error: bars at a terminal, plain lines elsewhere, a line of JSON a second for
programs.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from hogline.backfill.views import RunView
from hogline.cli.common import err, print_json_line

LINE_EVERY_S = 5.0
_RATE_OVER = 10
"""Looks at a run, about a second apart."""


class Progress:
    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._said_s = float("-inf")
        self._looks: deque[tuple[float, int]] = deque(maxlen=_RATE_OVER)
        self._reason: str | None = None

    def __enter__(self) -> Self:
        if err.is_terminal and not self._json:
            self._bars = Bars(
                TextColumn("{task.description:<8}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[more]}", markup=False),
                console=err,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def reading(self, read: int, written: int) -> None:
        """So many rows are read; so many of them are in order."""
        rate = self._rate(read)
        if self._json:
            print_json_line({"step": "reading", "read": read, "sorted": written, "per_s": round(rate)}, sys.stderr)
            return
        self._show("Reading", read, None if not written else read, f"{rate:,.0f} rows/s")
        if written:
            self._show("Sorting", written, read, "")
        self._say(f"{read:,} rows read" + (f", {written:,} sorted" if written else ""))

    def sending(self, view: RunView) -> None:
        """How far the slowest connection is."""
        rows = view.rows
        settled = min((rows - one.pending for one in view.connections), default=0)
        failures = sum(sum(one.failures.values()) for one in view.connections)
        rate = self._rate(settled)
        if self._json:
            self._print_sending(view, settled, failures, rate)
            return
        more = f"{rate:,.0f} events/s"
        more += f", {view.requests:,} requests" if view.requests else ""  # a finished run no longer knows
        more += f", {failures:,} failure{'s' * (failures != 1)}" if failures else ""
        more += f" ({view.reason})" if view.reason else ""
        if "Reading" in self._tasks:
            self._show("Reading", view.read, view.read, "")
            self._show("Sorting", rows, rows, "")
        self._show("Sending", settled, rows, more)
        text = f"{settled:,} of {rows:,} events sent, {more}" if self._reason or settled else f"Sending {rows:,} events"
        self._say(text, at_once=view.reason != self._reason)
        self._reason = view.reason

    def _print_sending(self, view: RunView, settled: int, failures: int, rate: float) -> None:
        line = {
            "step": "sending",
            "run": view.number,
            "events": view.rows,
            "settled": settled,
            "per_s": round(rate),
            "seconds_left": round((view.rows - settled) / rate) if rate else None,
            "requests": view.requests,
            "failures": failures,
            "reason": view.reason,
        }
        print_json_line(line, sys.stderr)

    def people(self, done: int, of: int) -> None:
        """So many people are sent again."""
        if self._json:
            print_json_line({"step": "people", "sent": done, "people": of}, sys.stderr)
            return
        self._show("People", done, of, f"{self._rate(done):,.0f} people/s")
        self._say(f"{done:,} of {of:,} people sent again")

    def _rate(self, done: int) -> float:
        now_s = time.monotonic()
        if self._looks and done < self._looks[-1][1]:
            self._looks.clear()
        self._looks.append((now_s, done))
        (first_s, first), span_s = self._looks[0], now_s - self._looks[0][0]
        return (done - first) / span_s if span_s > 0 and first_s else 0.0

    def _show(self, what: str, done: int, total: int | None, more: str) -> None:
        if self._bars is None:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, more=more)
        self._bars.update(self._tasks[what], completed=done, total=total, more=more)

    def _say(self, text: str, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if self._bars is not None or (now_s < self._said_s + LINE_EVERY_S and not at_once):
            return
        self._said_s = now_s
        err.print(text, style="dim", markup=False)
