"""Checks the machine and everything Hogline talks to, and says what to do about problems."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import apsw

from hogline import __version__
from hogline.clock import Clock
from hogline.destinations.base import Send, Unreachable
from hogline.destinations.catalogue import DESTINATIONS, PROBLEMS
from hogline.model import Request, Response
from hogline.service.core import Addresses, CannotDo, opened
from hogline.service.sources import Sources
from hogline.settings import Settings
from hogline.store.backup import last_backup_ms
from hogline.store.base import Connection, Journal, State
from hogline.store.positions import lag_ms
from hogline.views.connections import FindingView, SourceView

DAY_S = 86_400
SLOW_ANSWER_MS = 3.0
SLOW_SYNC_MS = 20.0
CLOCK_OFF_S = 30.0
"""Customer.io orders attributes by time. PostHog's own correction for clients' clocks works with whole minutes."""
FEW_FILES = 4_096
LITTLE_ROOM_BYTES = 1_000_000_000
OLD_BACKUP_S = 7 * DAY_S
LONG_LAG_S = 900.0
_SYNCS = 9
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"})

Level = Literal["ok", "warning", "problem"]


class Doctor:
    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        state: State,
        send: Send,
        clock: Clock,
        addresses: Addresses,
        sources: Sources,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._state = state
        self._send = send
        self._clock = clock
        self._addresses = addresses
        self._sources = sources

    async def examine(self) -> list[FindingView]:
        """Findings about this process's machine, data directory, address, and each connection."""
        data = self._settings.data
        findings = [
            FindingView("Version", "ok", f"Hogline {__version__} on Python {platform.python_version()}"),
            _room(data),
            await self._store() if self._settings.store else await asyncio.to_thread(_sync_speed, data),
            _file_system(data),
            _open_files(),
            await self._address(),
            *(FindingView(f"Destination {name}", "problem", sentence) for name, sentence in PROBLEMS.items()),
        ]
        clocks: list[float] = []
        findings += [await self._connection(connection, clocks) for connection in await self._state.connections()]
        findings += [_source(one) for one in await self._sources.all()]
        findings += [_clock(min(clocks, key=abs))] if clocks else []
        findings.append(await self._backlog())
        return findings if self._settings.store else [*findings, _backup(data, self._clock.time_ms())]

    async def _store(self) -> FindingView:
        """How long PostgreSQL takes to answer. The event loop waits for it several times per batch."""
        took_ms = []
        for _ in range(_SYNCS):
            began = time.perf_counter()
            self._state.folded()
            took_ms.append((time.perf_counter() - began) * 1_000)
        median = statistics.median(took_ms)
        said = f"PostgreSQL answers within {median:.1f} ms"
        if median > SLOW_ANSWER_MS:
            return FindingView("Store", "warning", said, "Run Hogline near the database, in the same zone.")
        return FindingView("Store", "ok", said)

    async def _address(self) -> FindingView:
        """Whether PostHog can reach the receiving address."""
        host = urlsplit(self._addresses.receives).hostname or ""
        if not self._settings.public_url and host in {"127.0.0.1", "::1", "localhost"}:
            return FindingView(
                "Address",
                "warning",
                f"Events are received at {self._addresses.receives}, which only this machine can reach.",
                "For PostHog Cloud or websites, put an HTTPS proxy in front and set HOGLINE_PUBLIC_URL.",
            )
        try:
            answer = await self._send(Request("GET", f"{self._addresses.receives}/healthz", {}, b""))
        except Unreachable as why:
            return FindingView(
                "Address",
                "problem",
                f"{self._addresses.receives} cannot be reached from this machine: {why}.",
                "Check `hogline serve`, the proxy, DNS and the firewall.",
            )
        if answer.status != 200:
            return FindingView(
                "Address",
                "problem",
                f"{self._addresses.receives}/healthz returns {answer.status} instead of 200.",
                "Make the proxy pass all paths to Hogline unchanged.",
            )
        return FindingView("Address", "ok", f"{self._addresses.receives} responds")

    async def _connection(self, connection: Connection, clocks: list[float]) -> FindingView:
        """Whether the credentials work. Notes how many seconds this machine's clock is ahead of the destination's."""
        title = f"Connection {connection.name}"

        async def noting(request: Request) -> Response:
            answer = await self._send(request)
            if (told_s := _date_s(answer.headers.get("date", ""))) is not None:
                clocks.append(self._clock.time_ms() / 1_000 - told_s)
            return answer

        try:
            one = opened(connection)
            check = await one.destination.check(one.options, noting)
        except CannotDo as error:
            name = connection.name
            fix = f"Fix it with `hogline configure {name}`."
            if connection.destination not in DESTINATIONS:  # no option can be read, so none can be changed
                fix = f"Install its package, then `hogline resume {name}`. Or delete it: `hogline disconnect {name}`."
            return FindingView(title, "problem", str(error), fix)
        if check.outcome != "ok":
            return FindingView(title, "problem", check.sentence)
        if connection.stopped is not None:
            return FindingView(
                title, "problem", connection.stopped, f"Fix that, then `hogline resume {connection.name}`."
            )
        if connection.paused:
            return FindingView(
                title, "warning", "It is paused; new events are pending.", f"`hogline resume {connection.name}`."
            )
        return FindingView(title, "ok", check.sentence)

    async def _backlog(self) -> FindingView:
        size = await self._journal.size_bytes()
        longest = 0.0
        for connection in await self._state.connections():
            if not connection.paused:
                waits_ms = await lag_ms(connection, self._journal, self._state, self._clock.time_ms())
                longest = max(longest, waits_ms / 1_000)
        most = self._settings.journal_max_bytes
        said = f"The journal takes {_megabytes(size)}; receiving pauses at {_megabytes(most)} undelivered"
        if size > 0.8 * most:
            return FindingView("Journal", "warning", said, "`hogline status` shows why events are pending.")
        if longest > LONG_LAG_S:
            return FindingView(
                "Journal",
                "warning",
                f"The oldest event has been pending for {longest / 60:,.0f} minutes.",
                "See `hogline status`.",
            )
        return FindingView("Journal", "ok", said)


def _room(data: Path) -> FindingView:
    free = shutil.disk_usage(data).free
    if free < LITTLE_ROOM_BYTES:
        return FindingView(
            "Disk space",
            "problem",
            f"Only {_megabytes(free)} free for {data}.",
            "Free some space. Receiving pauses when the disk is full.",
        )
    return FindingView("Disk space", "ok", f"{_megabytes(free)} free")


def _sync_speed(data: Path) -> FindingView:
    """Every acknowledged request waits for one."""
    took_ms = []
    with tempfile.TemporaryFile(dir=data) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4_096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took_ms.append((time.perf_counter() - began) * 1_000)
    median = statistics.median(took_ms)
    said = f"A write takes {median:.1f} ms to reach the disk"
    if median > SLOW_SYNC_MS:
        return FindingView("Disk speed", "warning", said, "Every request waits for it. Use a local SSD.")
    return FindingView("Disk speed", "ok", said)


def _file_system(data: Path) -> FindingView:
    kind = _kind_of_file_system(data)
    if kind in _NETWORK_FILE_SYSTEMS or kind.startswith("fuse."):
        return FindingView(
            "File system",
            "problem",
            f"{data} is on a network file system ({kind}), where SQLite's locks are not reliable.",
            "Move the data directory to a local disk.",
        )
    return FindingView("File system", "ok", f"{kind or 'unknown'}, SQLite {apsw.sqlite_lib_version()}")


def _kind_of_file_system(data: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """As the kernel names it; empty if it does not say."""
    try:
        lines = [line.split() for line in mounts.read_text("utf-8").splitlines()]
    except OSError:
        return ""
    path = str(data.resolve())
    found = [(line[1].replace("\\040", " "), line[2]) for line in lines if len(line) > 2]
    over = [(at, kind) for at, kind in found if path == at or path.startswith(at.rstrip("/") + "/")]
    return max(over, key=lambda each: len(each[0]))[1] if over else ""


def _open_files() -> FindingView:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES:
        return FindingView(
            "Open files",
            "warning",
            f"At most {soft:,} files and connections can be open.",
            "Raise it with `ulimit -n` or LimitNOFILE in the systemd unit.",
        )
    return FindingView("Open files", "ok", f"Up to {soft:,}")


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def _source(one: SourceView) -> FindingView:
    title = f"Source {one.name}"
    if one.missed:
        return FindingView(title, "warning", one.missed)
    if one.state in {"retrying", "stopped"}:
        return FindingView(title, "problem", one.reason or "")
    if one.state in {"paused", "waiting"}:
        return FindingView(title, "warning", one.reason or "It is paused.")
    return FindingView(title, "ok", f"{one.address}, {one.state.replace('_', ' ')}")


def _clock(ahead_s: float) -> FindingView:
    """A Date header has whole seconds and takes a while to arrive."""
    if abs(ahead_s) > CLOCK_OFF_S:
        direction = "ahead of" if ahead_s > 0 else "behind"
        return FindingView(
            "Clock",
            "problem",
            f"This machine's clock is {abs(ahead_s):,.0f} s {direction} the destination's.",
            "Set up time synchronization (chrony or systemd-timesyncd): times of events depend on it.",
        )
    return FindingView("Clock", "ok", f"Within {CLOCK_OFF_S:.0f} s of the destination's clock")


def _backup(data: Path, now_ms: int) -> FindingView:
    made_ms = last_backup_ms(data)
    if made_ms is None:
        return FindingView("Backup", "warning", "No backup was made yet.", "Run `hogline backup FILE` every day.")
    age_s = (now_ms - made_ms) / 1_000
    said = f"The last backup is {age_s / DAY_S:,.0f} days old" if age_s > DAY_S else "Backed up within the last day"
    if age_s > OLD_BACKUP_S:
        return FindingView("Backup", "warning", said, "Run `hogline backup FILE` every day.")
    return FindingView("Backup", "ok", said)


def _megabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
