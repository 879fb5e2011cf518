"""Connections to PostgreSQL: how they are opened, how long they wait, and what errors mean. Knows no tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from hogline.store.base import Unusable, Unwritable
from hogline.store.postgresql.texts import own_adapters

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Link: TypeAlias = "psycopg.Connection[Row]"
Values: TypeAlias = Mapping[str, object]

OLDEST = 140_000
"""PostgreSQL 14."""
MOST_LINKS = 10
"""So many are open in the process that delivers, which has the most."""
CONNECT_WITHIN_S = 5
_LOOK_S = 0.1
IDLE_S = 20.0
"""A transaction whose process is frozen or cut off ends after this time, and gives up what it has locked. Within a
pipeline PostgreSQL does not count it: that ends once the process is taken for dead; see `presence.end_connections`."""
LOCKED_S = IDLE_S + 10
"""Others wait for it so long. If somebody holds a lock longer, it is not Hogline."""
_SESSION = f"-c client_encoding=UTF8 -c lock_timeout={LOCKED_S:.0f}s"
FENCED = "HL001"
"""What the function `fence` raises."""

AWAY = "PostgreSQL cannot be reached. Hogline tries again every few seconds and loses nothing."
LOST = (
    "This process may write nothing more to the store: another process took its place, or it gave no sign of life for "
    "too long."
)
REFUSED = "PostgreSQL does not accept the user, the password or the database of HOGLINE_STORE. Try the URL with psql."
_PASSING = ("starting up", "shutting down", "recovery", "not yet accepting", "too many", "remaining connection slots")
_SENTENCES = {
    FENCED: LOST,
    "53100": "PostgreSQL's disk is full. Free some space; receiving continues automatically.",
    "53200": "PostgreSQL is out of memory.",
    "53300": f"PostgreSQL has no connection left (max_connections). The Hogline that delivers needs {MOST_LINKS}.",
    "25006": "PostgreSQL is read-only here: a standby, or a disk in trouble. Let HOGLINE_STORE name the primary.",
    "42501": "The user of HOGLINE_STORE lacks a right in PostgreSQL. Let it own the database.",
    "55P03": "Somebody has locked Hogline's tables in PostgreSQL.",
}


class Fenced(Exception):
    """The store belongs to another process now."""


class Late(psycopg.OperationalError):
    """PostgreSQL did not answer in time."""


class Refused(psycopg.OperationalError):
    """PostgreSQL is there, and does not let us in."""


class Linked(psycopg.Connection[Row]):
    """Waits only so long for an answer; None: as long as it takes."""

    within_s: float | None = None

    def wait(self, gen: PQGen[T], interval: float = _LOOK_S, timeout: float | None = None) -> T:  # noqa: ARG002  # psycopg's
        if self.within_s is None:
            return super().wait(gen, interval)
        return waiting.wait(_until(gen, time.monotonic() + self.within_s), self.pgconn.socket, interval=_LOOK_S)


def _until(gen: PQGen[T], end_s: float) -> PQGen[T]:
    """As `gen`, but it raises `Late` when the time is up."""
    try:
        wait = next(gen)
        while True:
            ready = yield wait
            if not ready and time.monotonic() >= end_s:
                raise Late("no answer in time")
            wait = gen.send(ready)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # the generator's result
    finally:
        gen.close()


def connect(url: str, name: str, within_s: float | None = None, *, schema: str = "hogline") -> Link:
    """A new connection in autocommit mode. `name`: as `Myself.named` gives it. Raises `psycopg.Error`, and `Unusable`
    for what will not pass.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Unusable(
            "HOGLINE_STORE is no PostgreSQL URL, such as postgresql://user:password@host/database."
        ) from None
    session = f"{_SESSION} -c idle_in_transaction_session_timeout={IDLE_S:.0f}s"
    options = f"{given.pop('options', None) or ''} -c search_path={schema} {session}".strip()
    timeout_s = int(given.pop("connect_timeout", None) or CONNECT_WITHIN_S)
    patient = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
    try:
        made = Linked.connect(
            autocommit=True,
            context=own_adapters(),
            connect_timeout=timeout_s,
            **{**patient, **given, "application_name": f"hogline {name}", "options": options},  # type: ignore[arg-type]
        )
    except psycopg.OperationalError as error:
        said = str(error)  # libpq gives no code here
        if "FATAL" in said and not any(passing in said for passing in _PASSING):
            raise Refused("refused") from None
        raise
    made.within_s = within_s
    if made.info.server_version < OLDEST:
        made.close()
        raise Unusable("Hogline needs PostgreSQL 14 or newer.")
    # What is acknowledged has to outlast a power cut, whatever the database's default is.
    if made.execute(b"SHOW synchronous_commit").fetchall() == [("off",)]:
        made.execute(b"SET synchronous_commit = on")
    return made


def close(link: Link | None) -> None:
    if link is not None:
        with suppress(psycopg.Error):
            link.close()


def trouble_of(error: BaseException) -> str | None:
    """One sentence without any value, if PostgreSQL or the way to it is the cause: that may pass. None: the statement
    is."""
    if isinstance(error, Fenced):
        return LOST
    if isinstance(error, Refused):
        return REFUSED
    if not isinstance(error, psycopg.Error):
        return None
    if (sentence := _SENTENCES.get(error.sqlstate or "")) is not None:
        return sentence
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return AWAY if error.sqlstate is None or error.sqlstate[:2] in {"08", "57"} else _of_kind(error)
    return None


def _of_kind(error: psycopg.Error) -> str:
    return f"PostgreSQL is in trouble ({type(error).__name__}). See its log."


def sentence_of(error: Exception) -> str:
    """Also for what should not happen."""
    return trouble_of(error) or f"Database error ({type(error).__name__})."


class Reading:
    """A connection for reading, used by one thread at a time. It is opened when it is needed.

    `reopens_itself`: if it is broken, the next call opens another. Otherwise, calls immediately raise `Unwritable`,
    until someone else has called `reopen`: for the event loop, which must not wait for a connection.
    """

    def __init__(
        self, url: str, name: str, *, within_s: float, reopens_itself: bool, broken: Callable[[], None]
    ) -> None:
        """`broken` is called whenever it just broke."""
        self._url, self._name, self._within_s = url, name, within_s
        self._reopens_itself, self._broken = reopens_itself, broken
        self._link: Link | None = None
        self._opening = threading.Lock()
        self._closed = False

    def reopen(self) -> None:
        """Open it if it is not. Raises `psycopg.Error`."""
        with self._opening:
            if self._link is None and not self._closed:
                self._link = connect(self._url, self._name, self._within_s)

    def renew(self) -> None:
        """Replace the connection: PostgreSQL was away. Raises `psycopg.Error`."""
        with self._opening:
            link, self._link = self._link, None
        close(link)
        self.reopen()

    def rows(self, query: bytes, values: Values | None = None) -> list[Row]:
        """All rows. Raises `Unwritable` if PostgreSQL is away or in trouble. If it reopens itself, a connection that
        broke while nobody used it is replaced.
        """
        was_open = self._link is not None
        try:
            return self._rows(query, values)
        except psycopg.OperationalError as error:
            if not (was_open and self._reopens_itself and self._link is None) or isinstance(error, Late):
                raise Unwritable(sentence_of(error)) from None
        try:
            return self._rows(query, values)
        except psycopg.OperationalError as error:
            raise Unwritable(sentence_of(error)) from None

    def _rows(self, query: bytes, values: Values | None) -> list[Row]:
        """Raises `psycopg.OperationalError` if PostgreSQL is away or in trouble, and `Unwritable`."""
        try:
            if self._link is None and self._reopens_itself:
                self.reopen()
            link = self._link
            if link is None:
                raise Unwritable(AWAY)
            return link.execute(query, values, binary=True).fetchall()
        except psycopg.Error as error:
            if (sentence := trouble_of(error)) is None:
                raise
            if self._link is not None and (isinstance(error, Late) or self._link.closed):
                self._break()
            if isinstance(error, psycopg.OperationalError):
                raise
            raise Unwritable(sentence) from None

    def _break(self) -> None:
        link, self._link = self._link, None
        close(link)
        self._broken()

    def close(self) -> None:
        with self._opening:
            self._closed = True
            link, self._link = self._link, None
        close(link)


def vacuum(url: str, tables: Sequence[str]) -> None:
    """Give the space of what was removed back to these tables. Raises `Unwritable`."""
    try:
        link = connect(url, "vacuum")
        try:
            for table in tables:
                link.execute(f"VACUUM {table}".encode())
        finally:
            close(link)
    except psycopg.Error as error:
        raise Unwritable(sentence_of(error)) from None


def execute(link: Link, query: bytes, values: Values | None = None) -> None:
    """A statement whose result nobody needs: in a pipeline it does not wait."""
    link.execute(query, values, binary=True)


def rows(link: Link, query: bytes, values: Values | None = None) -> list[Row]:
    return link.execute(query, values, binary=True).fetchall()


def value(link: Link, query: bytes, values: Values | None = None) -> Any:  # noqa: ANN401  # the tables declare their types
    """The first column of the only row; None if there is none."""
    found = rows(link, query, values)
    return found[0][0] if found else None


def firsts(found: Sequence[Row]) -> list[Any]:
    return [row[0] for row in found]
