"""What tests of more than one module stand on: a journal and a state in a folder, on a clock that a test moves; over
them one connection, or the whole service.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hogline.destinations.base import Send
from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.base import Connection, Counts
from hogline.store.datadir.secrets import Vault
from hogline.store.figures import Figures
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.clock import ManualClock

CREDENTIALS: dict[str, object] = {"site_id": "site", "api_key": "key"}


class Stores:
    def __init__(self, folder: Path, clock: ManualClock, vault: Vault | None = None, *, vfs: str | None = None) -> None:
        """`vfs`: the name of SQLite's disk, if it is another."""
        self.folder = folder
        self.clock = clock
        self.vfs = vfs
        self._vault = vault or Vault(Vault.new_key())
        self.open()

    def open(self) -> None:
        """Again, after `close`."""
        self.journal = SqliteJournal(self.folder / "journal.db", self.clock.time_ms, vfs=self.vfs)
        self.state = SqliteState(self.folder / "state.db", self._vault, vfs=self.vfs)

    async def close(self) -> None:
        await self.journal.close()
        await self.state.close()

    async def install(
        self, name: str = "customerio", options: Mapping[str, object] = CREDENTIALS, *, paused: bool = False
    ) -> Connection:
        """A connection to Customer.io that begins with the next event. Nothing runs for it yet."""
        return await self.state.add_connection(
            name=name,
            destination="customerio",
            options={**options},
            paused=paused,
            start=self.journal.end,
            now_ms=self.clock.time_ms(),
        )

    async def receive_bytes(self, *bodies: bytes) -> int:
        """The journal's end then."""
        return await self.journal.append([*bodies])

    async def receive(self, *events: Event) -> int:
        """The journal's end then."""
        return await self.receive_bytes(*map(encode_event, events))


class OneConnection(Stores):
    """With one connection, which begins with the first event. A test starts its workers."""

    connection: Connection

    async def connect(self, **options: object) -> None:
        self.connection = await self.state.add_connection(
            name="customerio", destination="customerio", options=CREDENTIALS | options, paused=False, start=0, now_ms=0
        )

    async def counts(self) -> Counts:
        return await self.state.counts(self.connection.id)


class Serviced(Stores):
    """With the service, as a process has it."""

    def __init__(
        self,
        folder: Path,
        clock: ManualClock,
        vault: Vault | None = None,
        *,
        send: Send,
        settings: Settings | None = None,
        vfs: str | None = None,
        figures: Figures | None = None,
        delivers: bool = True,
    ) -> None:
        self.settings = settings or Settings(data=folder)
        self._send = send
        self._figures = figures
        self._delivers = delivers
        super().__init__(folder, clock, vault, vfs=vfs)

    def open(self) -> None:
        super().open()
        self._make_service()

    def _make_service(self) -> None:
        self.service = Service(
            self.settings,
            journal=self.journal,
            state=self.state,
            send=self._send,
            clock=self.clock,
            delivers=self._delivers,
            figures=self._figures,
        )

    async def restart(self) -> None:
        """The service anew, over the same stores."""
        await self.service.close(0)
        self._make_service()
        await self.service.start()

    async def close(self) -> None:
        await self.service.close(0)
        await super().close()
