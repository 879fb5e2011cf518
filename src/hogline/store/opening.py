"""Opens the stores of a data directory. The only module that names one: to use another store, change it here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hogline.store.audit import Audit
from hogline.store.base import Journal, State
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.sources import Sources
from hogline.store.event_log import EventLog
from hogline.store.figures import Figures
from hogline.store.sqlite.audit import SqliteAudit
from hogline.store.sqlite.event_log import SqliteEventLog
from hogline.store.sqlite.figures import SqliteFigures
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept in a data directory."""

    journal: Journal
    state: State
    events: EventLog
    figures: Figures
    audit: Audit
    sources: Sources
    fingerprint: Callable[[str], bytes]
    """The keyed hash of an id or an email."""


@asynccontextmanager
async def opened(directory: DataDirectory, key: str | None, time_ms: Callable[[], int]) -> AsyncIterator[Stores]:
    """The stores, open as long as the context lasts. The directory must be held.

    `key` encrypts secrets; None uses the directory's own. Raises `Unusable`.
    """
    async with AsyncExitStack() as stack:
        journal = SqliteJournal(directory.journal, time_ms)
        stack.push_async_callback(journal.close)
        vault = directory.vault(key)
        state = SqliteState(directory.state, vault)
        stack.push_async_callback(state.close)
        events = SqliteEventLog(directory.events)
        stack.push_async_callback(events.close)
        figures = SqliteFigures(directory.history)
        stack.push_async_callback(figures.close)
        audit = SqliteAudit(directory.audit)
        stack.push_async_callback(audit.close)
        sources = Sources(directory.path, vault)
        yield Stores(journal, state, events, figures, audit, sources, vault.fingerprint)
