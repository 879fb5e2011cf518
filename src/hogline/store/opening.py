"""Opens the stores: those of a data directory, or PostgreSQL's. The only module that names them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol

from hogline.store.audit import Audit
from hogline.store.base import Journal, State, Unusable
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.sources import Sources
from hogline.store.event_log import EventLog
from hogline.store.figures import Figures
from hogline.store.sqlite.audit import SqliteAudit
from hogline.store.sqlite.event_log import SqliteEventLog
from hogline.store.sqlite.figures import SqliteFigures
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState


class Hold(Protocol):
    """A store that another process may take over, if this one cannot say in time that it lives."""

    @property
    def lost(self) -> asyncio.Event:
        """Another process has taken over: this one writes nothing more, and has to end."""
        ...

    async def holding(self) -> None:
        """Returns as soon as it is certain that no other process has taken over."""
        ...


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
    hold: Hold | None = None
    """How this process holds a store that others can reach; None: holding the directory is enough."""


@asynccontextmanager
async def opened(
    directory: DataDirectory, key: str | None, time_ms: Callable[[], int], store: str | None = None
) -> AsyncIterator[Stores]:
    """The stores, open as long as the context lasts. The directory must be held.

    `key` encrypts secrets; None uses the directory's own. `store`: PostgreSQL's URL; None keeps everything in the
    directory. Raises `Unusable`.
    """
    async with AsyncExitStack() as stack:
        vault = directory.vault(key)
        hold: Hold | None = None
        journal: Journal
        state: State
        events: EventLog
        figures: Figures
        audit: Audit
        if store is None:
            journal = SqliteJournal(directory.journal, time_ms)
            stack.push_async_callback(journal.close)
            state = SqliteState(directory.state, vault)
            stack.push_async_callback(state.close)
            events = SqliteEventLog(directory.events)
            stack.push_async_callback(events.close)
            figures = SqliteFigures(directory.history)
            stack.push_async_callback(figures.close)
            audit = SqliteAudit(directory.audit)
            stack.push_async_callback(audit.close)
        else:
            opening = _postgresql().opened(store, vault, directory.path, time_ms)
            journal, state, events, figures, audit, hold = await stack.enter_async_context(opening)
        sources = Sources(directory.path, vault)
        yield Stores(journal, state, events, figures, audit, sources, vault.fingerprint, hold)


def _postgresql() -> ModuleType:
    """Its module, which needs an extra. Raises `Unusable`."""
    try:
        return import_module("hogline.store.postgresql.opening")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "psycopg":
            raise
    except ImportError:  # psycopg is there, and libpq is not
        pass
    raise Unusable('HOGLINE_STORE needs psycopg. Install it: pip install "hogline[postgresql]".')
