"""What all functions of the service share: the stores, the workers, and how to find a connection and its state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from hogline.backfill.preview import Preview
from hogline.backfill.sending import Sending
from hogline.clock import Clock
from hogline.delivery.installed import Installed, installed
from hogline.delivery.workers import Retention, Workers
from hogline.destinations.base import Destination, InvalidOptions, Keeps, Send
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.sources.rejections import Rejections
from hogline.sources.seen import SeenUuids
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Connection, Journal, State, TokenKind
from hogline.store.cleaning import Cleaning
from hogline.store.event_log import EventLog
from hogline.store.figures import Figures
from hogline.store.tokens import made_here, new_token
from hogline.telemetry.delivery import RequestListener, nobody

log = structlog.get_logger("hogline.service")

KINDS: tuple[TokenKind, ...] = ("private", "public")


class CannotDo(Exception):
    """It cannot be done. The text is one sentence that says why and what to do."""


class ConsoleDoor(Struct, frozen=True):
    """Where the console is, and its first password until someone chooses another."""

    url: str
    first_password: str | None = None
    """If it was just created: to print in a terminal, and nowhere else."""
    first_password_file: Path | None = None
    """Where it is stored until you set another."""

    def __repr__(self) -> str:
        return f"ConsoleDoor(url={self.url!r})"


@dataclass
class Addresses:
    """Where this process can be reached. The runtime fills it in: it listens after the service has started."""

    receives: str
    """The URL that events are sent to, without a path."""
    watched: str | None = None
    """Where `/metrics` and `/readyz` are, if they have a separate address."""
    console: ConsoleDoor | None = None


class Core:
    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        state: State,
        send: Send,
        clock: Clock,
        delivers: bool,
        figures: Figures | None = None,
        events: EventLog | None = None,
        trail: Trail | None = None,
        addresses: Addresses | None = None,
        listener: RequestListener = nobody,
    ) -> None:
        """`delivers`: connections run as long as this service lives. `figures`: where figures over time are read from.
        `events`: the event log. `trail`: the audit log; without one nothing is noted. `listener` gets every request to
        a destination.
        """
        self._settings = settings
        self._journal = journal
        self._state = state
        self._send = send
        self._clock = clock
        self._delivers = delivers
        self._workers = Workers(
            journal=journal,
            state=state,
            send=send,
            clock=clock,
            stopped=self._stopped,
            merge_delay_s=settings.merge_delay_s,
            retains=settings.people_retention_days > 0,
            listener=listener,
            events=events,
        )
        self._event_log = events
        self.addresses = addresses or Addresses(settings.public_url or f"http://{settings.listen}")
        self.figures = figures
        self.token_check = TokenCheck(())
        self.rejections = Rejections()
        """Requests that were refused."""
        self.cleaning = Cleaning(journal, state, events)
        self.trail = trail or Trail()
        self.seen_uuids = SeenUuids(journal)
        """Shared by everything that receives events."""
        self._changing = asyncio.Lock()
        """Held while a connection is being changed: one change at a time."""
        self.retention = Retention(self._workers, self._changing)
        """For housekeeping."""
        self._sendings: dict[str, Sending] = {}
        self._previews: dict[str, Preview] = {}

    @property
    def receives_at(self) -> str:
        """The URL that events are sent to, without a path."""
        return self.addresses.receives

    def now_ms(self) -> int:
        return self._clock.time_ms()

    async def start(self) -> None:
        """Create the project's tokens if there are none, and start every connection that is not paused."""
        for kind in KINDS:
            if not made_here(await self._state.tokens(kind)):
                await self._state.add_token(new_token(kind).text, kind)
        await self._check_tokens()
        await self._look_at_options()
        if self._delivers:
            self._workers.fold()
        for connection in await self._state.connections():
            await self._run(connection)

    async def _look_at_options(self) -> None:
        """Tell the folder what the connections need to know about people."""
        wanted = []
        for connection in await self._state.connections():
            with suppress(InvalidOptions):  # it is stopped, and says so
                if (rules := installed(connection).rules) is not None:
                    wanted.append(rules.keeps)
        await self._workers.keep(
            Keeps(
                any(one.properties for one in wanted),
                min({one.email_property for one in wanted} - {"email"}, default="email"),
                any(one.protects_emails for one in wanted),
                any(one.set_once for one in wanted),
            )
        )

    async def close(self, within_s: float = 20.0) -> None:
        """Settle what is in flight, or give it up after that time."""
        await self._workers.close(within_s)

    async def _check_tokens(self) -> None:
        """From now on, receive events with the current tokens only."""
        self.token_check.replace(await self._state.tokens(), await self._state.tokens("public"))

    async def _stopped(self, connection: Connection, reason: str) -> None:
        for found in await self._state.connections():
            if found.id == connection.id:  # otherwise it was removed in the meantime
                await self._state.change_connection(evolved(found, stopped=reason, since_ms=self._clock.time_ms()))

    async def _disconnecting(self, connection: int) -> None:
        """A connection is about to be removed: end what is under way for it."""

    async def _find(self, name: str) -> Connection:
        connections = await self._state.connections()
        for connection in connections:
            if connection.name == name:
                return connection
        names = ", ".join(connection.name for connection in connections)
        raise CannotDo(
            f"Connection {name!r} not found. Your connections: {names}."
            if names
            else f"Connection {name!r} not found. You have no connections yet. Create one with `hogline connect`."
        )

    async def _run(self, connection: Connection) -> None:
        """Unless it is paused or stopped, or this service does not deliver. It stops if it cannot be opened."""
        if self._delivers and not connection.paused and connection.stopped is None:
            try:
                self._workers.start(installed(connection))
            except InvalidOptions as invalid:
                log.warning("connection stopped", connection=connection.name, reason=str(invalid))
                await self._stopped(connection, str(invalid))

    def _standing(self, connection: Connection) -> tuple[str, str | None]:
        """Its state, and the reason."""
        if connection.paused:
            return "paused", None
        if connection.stopped is not None:
            return "stopped", connection.stopped
        if not self._delivers:
            return "not_running", "Start `hogline serve` to receive and deliver."
        trouble = self._workers.trouble(connection.id)
        return ("retrying", trouble) if trouble else ("delivering", None)


def opened(connection: Connection) -> Installed[Any]:
    """Raises `CannotDo` if the connection's options are no longer valid."""
    try:
        return installed(connection)
    except InvalidOptions as invalid:
        raise CannotDo(str(invalid)) from None


def read_options(destination: Destination[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401  # the destination's own
    try:
        return destination.read_options(values)
    except InvalidOptions as invalid:
        raise CannotDo(str(invalid)) from None


def evolved(connection: Connection, **changes: object) -> Connection:
    return Connection(**{**{field: getattr(connection, field) for field in connection.__struct_fields__}, **changes})
