"""Alerts: what is wrong with a connection or with this machine, as sentences without personal data; when to say so, and
when to say that it is over.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Sequence

import structlog
from msgspec import Struct

from hogline.clock import Clock
from hogline.destinations.base import Send
from hogline.service.alert_memory import Memory, news
from hogline.service.core import Addresses, CannotDo
from hogline.service.notices import CannotSend, Notices
from hogline.service.status import Statuses
from hogline.settings import Settings
from hogline.store.base import Journal
from hogline.views.connections import AlertView, ConnectionStatus, SourceView

log = structlog.get_logger("hogline.alerts")

EVERY_S = 30.0
WINDOW_S = 600.0
"""The share of failures is that of the last ten minutes."""
LEAST_FAILURES = 10
FAILURES = ": failures"
"""How the key of such an alert ends."""
NEAR = 0.8
"""Of a bound: there is still time to do something."""
LEAST_FREE = 0.05


class Reading(Struct, frozen=True):
    """What is looked at, at one time."""

    now_s: float
    connections: Sequence[ConnectionStatus]
    sources: Sequence[SourceView]
    last_received_s: float | None
    """Seconds since the last event was received; None: there was none."""
    pending_share: float
    """How much of the bound on all pending events is in use: 1 stops receiving."""
    free_share: float
    """Of the disk of the data directory."""


class AlertRules:
    """Turns readings into alerts: by key, a sentence for each. Remembers the last ten minutes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before: dict[str, deque[tuple[float, int, int]]] = {}

    def alerts(self, reading: Reading) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in reading.connections:
            found |= self._of_connection(one, reading.now_s)
        for source in reading.sources:
            found |= self._of_source(source)
        hours = self._settings.alert_nothing_received_hours
        silent_s = reading.last_received_s
        if hours and silent_s is not None and silent_s > hours * 3_600:
            found["nothing_received"] = f"No event was received for {silent_s / 3_600:.0f} hours."
        if reading.pending_share > NEAR:
            found["backlog"] = (
                f"Pending events use {reading.pending_share:.0%} of HOGLINE_JOURNAL_MAX_BYTES. At 100% receiving stops."
            )
        if reading.free_share < LEAST_FREE:
            found["disk"] = f"Only {reading.free_share:.1%} of the data directory's disk is free."
        return found

    def _of_connection(self, one: ConnectionStatus, now_s: float) -> dict[str, str]:
        found = {}
        if one.state == "stopped":
            found[f"{one.name}: stopped"] = f"{one.name} has stopped: {one.reason}"
        elif not one.paused and one.lag_s > self._settings.alert_lag_minutes * 60:
            found[f"{one.name}: lag"] = (
                f"{one.name} is {one.lag_s / 60:.0f} minutes behind; {one.pending:,} events are pending."
            )
        share = self._failing(one, now_s)
        if share * 100 > self._settings.alert_failures_percent:
            found[f"{one.name}{FAILURES}"] = f"{share:.0%} of the events of {one.name} failed in the last ten minutes."
        return found

    def _of_source(self, one: SourceView) -> dict[str, str]:
        found, most_s = {}, self._settings.alert_lag_minutes * 60
        if one.state == "stopped":
            found[f"source {one.name}: stopped"] = f"The source {one.name} has stopped: {one.reason}"
        elif one.trouble_s > most_s:
            verb = "read" if one.kind == "kafka" else "fetched"
            found[f"source {one.name}"] = (
                f"Nothing could be {verb} from the source {one.name} for {one.trouble_s / 60:.0f} minutes: {one.reason}"
            )
        elif one.state == "reading" and one.lag_s > most_s:
            found[f"source {one.name}: lag"] = (
                f"The source {one.name} is {one.lag_s / 60:.0f} minutes behind; {one.behind:,} records wait in Kafka."
            )
        if one.missed:
            found[f"source {one.name}: missed"] = f"The source {one.name} missed events. {one.missed}"
        return found

    def _failing(self, one: ConnectionStatus, now_s: float) -> float:
        """The share of failures among what was sent in the last ten minutes."""
        seen = self._before.setdefault(one.name, deque())
        failures = sum(one.failures.values())
        seen.append((now_s, one.delivered, failures))
        while now_s - seen[0][0] > WINDOW_S:
            seen.popleft()
        delivered, failed = one.delivered - seen[0][1], failures - min(before for _, _, before in seen)
        return failed / (failed + max(delivered, 0)) if failed >= LEAST_FAILURES else 0.0


class Alerts:
    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        send: Send,
        clock: Clock,
        statuses: Statuses,
        addresses: Addresses,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._send = send
        self._clock = clock
        self._statuses = statuses
        self._addresses = addresses
        self._rules = AlertRules(settings)
        self._memory = Memory(settings.data)
        self._since_s = clock.now_s()

    async def all(self) -> list[AlertView]:
        """What is wrong now."""
        found = AlertRules(self._settings).alerts(await self._reading())
        return [AlertView(key=key, state="raised", sentence=sentence) for key, sentence in found.items()]

    async def test(self) -> list[str]:
        """Send a message to every place that alerts go to; returns where it went. Raises `CannotDo`."""
        notices = Notices(self._settings, self._send)
        if not notices.places:
            raise CannotDo(
                "Alerts go nowhere yet. Set HOGLINE_ALERT_EMAIL or HOGLINE_ALERT_WEBHOOK for `hogline serve`, and "
                "restart it."
            )
        test = AlertView(key="test", state="test", sentence="This is a test. You will get Hogline's alerts here.")
        try:
            return await notices.send([test], self._where())
        except CannotSend as error:
            raise CannotDo(str(error)) from None

    async def watch(self) -> None:
        """Look every half minute, and send what is new, all of it in one message. Runs until it is cancelled."""
        notices = Notices(self._settings, self._send)
        while notices.places:
            await self.look(notices)
            await self._clock.sleep(EVERY_S)

    async def look(self, notices: Notices) -> None:
        try:
            alerts = self._rules.alerts(await self._reading())
            # What share failed in the last ten minutes is unknown after a start.
            unknown = FAILURES if self._clock.now_s() - self._since_s < WINDOW_S else None
            told, said = news(self._memory.said, alerts, self._clock.time_ms(), unknown=unknown)
            if told:
                try:
                    await notices.send(told, self._where())
                except CannotSend as error:
                    log.error("alert not sent", reason=str(error))  # noqa: TRY400  # the sentence says it
                    if not error.reached:  # it is tried again
                        return
            self._memory.keep(said)
        except Exception as error:
            # A disk that cannot be read now may be later; the watch must go on.
            log.error("looking for alerts failed", error=type(error).__name__)  # noqa: TRY400  # the kind says it

    def _where(self) -> str:
        return self._addresses.console.url if self._addresses.console is not None else self._addresses.receives

    async def _reading(self) -> Reading:
        journal, settings = self._journal, self._settings
        newest = await journal.received_at(journal.end)
        status = await self._statuses.show()
        connections = status.connections
        events = max(journal.end - journal.first + 1, 1)
        pending = max((one.pending for one in connections if not one.paused), default=0)
        disk = shutil.disk_usage(settings.data)
        return Reading(
            now_s=self._clock.now_s(),
            connections=connections,
            sources=status.sources,
            last_received_s=None if newest is None else (self._clock.time_ms() - newest) / 1_000,
            pending_share=await journal.size_bytes() * min(pending / events, 1) / settings.journal_max_bytes,
            free_share=disk.free / disk.total,
        )
