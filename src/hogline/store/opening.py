"""Opens the stores: those of a data directory, or PostgreSQL's. The only module that names them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from hogline.store.audit import Audit
from hogline.store.base import Journal, State, Unusable
from hogline.store.crew import Board
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.secrets import Vault
from hogline.store.datadir.sources import Sources
from hogline.store.event_log import EventLog
from hogline.store.figures import Figures
from hogline.store.shared import (
    Answers,
    Asks,
    Changing,
    HandStores,
    Hold,
    Joining,
    Receiver,
    Shared,
    SharedState,
    Workers,
)
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
    hold: Hold | None = None
    """How this process holds a store that others can reach; None: holding the directory is enough."""
    answers: Answers | None = None
    """What others ask of the owner of such a store."""
    changing: Changing | None = None
    """Of such a store: how accounts and API tokens are changed."""
    board: Board | None = None
    """Of such a store: where its owner says what others deliver."""
    shared: SharedState | None = None
    """Of such a store: `state`."""


@asynccontextmanager
async def opened(
    directory: DataDirectory,
    key: str | None,
    time_ms: Callable[[], int],
    shared: Shared | None = None,
    joining: Joining = Joining(),  # noqa: B008  # it cannot be changed
) -> AsyncIterator[Stores]:
    """The stores, open as long as the context lasts. The directory must be held.

    `key` encrypts secrets; None uses the directory's own. `shared`: None keeps everything in the directory. `joining`:
    how to own it. Raises `Unusable`.
    """
    async with AsyncExitStack() as stack:
        vault = directory.vault(key)
        hold: Hold | None = None
        answers: Answers | None = None
        changing: Changing | None = None
        board: Board | None = None
        spread: SharedState | None = None
        journal: Journal
        state: State
        events: EventLog
        figures: Figures
        audit: Audit
        if shared is None:
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
            module = postgresql("hogline.store.postgresql.opening")
            myself = module.Myself(role=joining.role, lease_s=shared.lease_s, place=directory.place)
            opening = module.opened(shared.url, vault, directory.path, time_ms, myself=myself, joining=joining)
            made = await stack.enter_async_context(opening)
            journal, state, events, figures, audit, hold, answers, changing, board = made
            spread = made.state
        sources = Sources(directory.path, vault)
        kept = (journal, state, events, figures, audit, sources, vault.fingerprint)
        yield Stores(*kept, hold, answers, changing, board, spread)


def receiver(
    shared: Shared, key: str, time_ms: Callable[[], int], topic: str = ""
) -> AbstractAsyncContextManager[Receiver]:
    """Receive beside the process that owns the store, as long as the context lasts. `topic`: where events are put, if
    not into the journal. Raises `Unusable`, also on entering it.
    """
    module = postgresql("hogline.store.postgresql.opening")
    myself = module.Myself(role="receive", lease_s=shared.lease_s, topic=topic)
    entered: AbstractAsyncContextManager[Receiver] = module.receiver(shared.url, Vault(key), time_ms, myself)
    return entered


def hand(shared: Shared, key: str, time_ms: Callable[[], int]) -> AbstractAsyncContextManager[HandStores]:
    """Deliver for the process that owns the store, as long as the context lasts. Raises `Unusable`, also on entering
    it."""
    module = postgresql("hogline.store.postgresql.opening")
    myself = module.Myself(role="deliver", lease_s=shared.lease_s)
    entered: AbstractAsyncContextManager[HandStores] = module.hand(shared.url, Vault(key), time_ms, myself)
    return entered


def asks(shared: Shared, key: str) -> AbstractAsyncContextManager[Asks]:
    """The way to the owner, as long as the context lasts. Raises `Unusable`, also on entering it."""
    entered: AbstractAsyncContextManager[Asks] = postgresql("hogline.store.postgresql.opening").asks(
        shared.url, Vault(key)
    )
    return entered


@dataclass(frozen=True, slots=True)
class Desk:
    """What a process needs that only has pages, beside whatever owns the store."""

    audit: Audit
    asks: Asks
    changing: Changing
    fingerprint: Callable[[str], bytes]


@asynccontextmanager
async def desk(shared: Shared, key: str, folder: Path) -> AsyncIterator[Desk]:
    """As long as the context lasts. Accounts and API tokens are in that folder, and in the store. Raises `Unusable`."""
    module, vault = postgresql("hogline.store.postgresql.opening"), Vault(key)
    myself = module.Myself(role="console", lease_s=shared.lease_s)
    async with module.desk(shared.url, vault, folder, myself) as (audit, asking, changing):
        yield Desk(audit, asking, changing, vault.fingerprint)


async def workers(shared: Shared, key: str) -> Workers:
    """Who uses the store now. Raises `Unusable`, also if it cannot be reached."""
    found: Workers = await postgresql("hogline.store.postgresql.opening").workers_of(shared.url, Vault(key))
    return found


def postgresql(module: str) -> ModuleType:
    """A module of its, which needs an extra. Raises `Unusable`."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "psycopg":
            raise
    except ImportError:  # psycopg is there, and libpq is not
        pass
    raise Unusable('HOGLINE_STORE needs psycopg. Install it: pip install "hogline[postgresql]".')
