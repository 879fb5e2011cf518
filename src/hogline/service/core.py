"""What all functions of the service share: the store, the workers, and how a connection is found and stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hogline.backfill.preview import Preview
from hogline.backfill.sending import Sending
from hogline.clock import Clock
from hogline.core.lanes import Lanes
from hogline.delivery.workers import Retention, Workers
from hogline.destinations.base import Destination, InvalidOptions, Keeps, Send
from hogline.destinations.catalogue import DESTINATIONS
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.sources.seen import SeenUuids
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Connection, Journal, State, TokenKind
from hogline.store.cleaning import Cleaning
from hogline.store.tokens import made_here, new_token
from hogline.telemetry.delivery import RequestListener, nobody

KINDS: tuple[TokenKind, ...] = ("private", "public")


class CannotDo(Exception):
    """What was asked cannot be done; the text is one sentence that says why and what to do."""


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
        listener: RequestListener = nobody,
    ) -> None:
        """`delivers`: connections are run as long as this service lives. `listener` is told of every request to a
        destination.
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
        )
        self.receives_at = settings.public_url or f"http://{settings.listen}"
        """Where events are received."""
        self.watched_at: str | None = None
        """Where `/metrics` and `/readyz` are, if they have an address of their own."""
        self.token_check = TokenCheck(())
        self.cleaning = Cleaning(journal, state)
        self.trail = Trail()
        """Where it is noted who did what; this one forgets it."""
        self.seen_uuids = SeenUuids(journal)
        """Shared by all through whom events come in."""
        self._changing = asyncio.Lock()
        """Held by whoever changes a connection: one at a time."""
        self.retention = Retention(self._workers, self._changing)
        """For the housekeeping."""
        self._sendings: dict[str, Sending] = {}
        self._previews: dict[str, Preview] = {}

    def now_ms(self) -> int:
        return self._clock.time_ms()

    async def start(self) -> None:
        """Make the project's tokens if there are none yet, and run every connection that is not paused."""
        for kind in KINDS:
            if not made_here(await self._state.tokens(kind)):
                await self._state.add_token(new_token(kind).text, kind)
        await self._check_tokens()
        await self._look_at_options()
        if self._delivers:
            self._workers.fold()
        for connection in await self._state.connections():
            self._run(connection)

    async def _look_at_options(self) -> None:
        """What is to be known of people depends on what some connection wants."""
        wanted = []
        for connection in await self._state.connections():
            destination = DESTINATIONS[connection.destination]
            if destination.people is not None:
                wanted.append(destination.people.rules(destination.read_options(connection.options)).keeps)
        await self._workers.keep(
            Keeps(
                any(one.properties for one in wanted),
                min({one.email_property for one in wanted} - {"email"}, default="email"),
                any(one.protects_emails for one in wanted),
            )
        )

    async def close(self, within_s: float = 20.0) -> None:
        """What is in flight is settled, or given up after that time."""
        await self._workers.close(within_s)

    async def _check_tokens(self) -> None:
        """From now on what is received is checked against the tokens as they are."""
        self.token_check.replace(await self._state.tokens(), await self._state.tokens("public"))

    async def _stopped(self, connection: Connection, reason: str) -> None:
        for found in await self._state.connections():
            if found.id == connection.id:  # else it was removed meanwhile
                await self._state.change_connection(evolved(found, stopped=reason))

    async def _find(self, name: str) -> Connection:
        connections = await self._state.connections()
        for connection in connections:
            if connection.name == name:
                return connection
        names = ", ".join(connection.name for connection in connections)
        raise CannotDo(
            f"There is no connection {name!r}. There are: {names}."
            if names
            else f"There is no connection {name!r}, nor any other. Make one with `hogline connect`."
        )

    def _run(self, connection: Connection) -> None:
        if self._delivers and not connection.paused and connection.stopped is None:
            self._workers.start(connection)

    def _standing(self, connection: Connection) -> tuple[str, str | None]:
        """Its state and the reason for it."""
        if connection.paused:
            return "paused", None
        if connection.stopped is not None:
            return "stopped", connection.stopped
        if not self._delivers:
            return "not_running", "Start `hogline serve` to receive and deliver."
        trouble = self._workers.trouble(connection.id)
        return ("retrying", trouble) if trouble else ("delivering", None)

    async def _settled(self, connection: Connection) -> int:
        """The position up to which everything is settled."""
        return Lanes(connection.start, await self._state.lanes(connection.id)).read


def read_options(destination: Destination[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401  # the destination's own
    try:
        return destination.read_options(values)
    except InvalidOptions as invalid:
        raise CannotDo(str(invalid)) from None


def evolved(connection: Connection, **changes: object) -> Connection:
    return Connection(**{**{field: getattr(connection, field) for field in connection.__struct_fields__}, **changes})
