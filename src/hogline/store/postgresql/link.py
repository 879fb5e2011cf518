"""Connections to PostgreSQL: how they are opened and ended, and how long they wait. Knows no tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from hogline.store.base import Unusable, Unwritable
from hogline.store.postgresql.texts import own_adapters
from hogline.store.postgresql.trouble import LOST, Full, Late, Refused, sentence_of, trouble_of

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Link: TypeAlias = "psycopg.Connection[Row]"
Values: TypeAlias = Mapping[str, object]

OLDEST = 140_000
"""PostgreSQL 14."""
CONNECT_WITHIN_S = 5
_LOOK_S = 0.1
IDLE_S = 20.0
"""A transaction whose process is frozen or cut off ends after this time, and gives up what it has locked. Within a
pipeline PostgreSQL does not count it: that ends once the process is taken for dead; see `presence.end_connections`."""
LOCKED_S = IDLE_S + 10
"""Others wait for it so long. If somebody holds a lock longer, it is not Hogline."""
SESSION = {
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",
    "default_table_access_method": "heap",
    "standard_conforming_strings": "on",
    "lock_timeout": f"{LOCKED_S:.0f}s",
    "idle_in_transaction_session_timeout": f"{IDLE_S:.0f}s",
    # What takes long is meant to: Hogline itself limits how long it waits.
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    # So PostgreSQL notices by itself if this machine is lost.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
"""Whatever else the database, the user or the URL sets, these hold. They are set once the connection is there, because
PgBouncer refuses them in the URL's `options`. PostgreSQL before 17 has no `transaction_timeout`.

`default_transaction_read_only` is left alone: a database is made read-only to protect it."""
WITHIN_S = LOCKED_S + 10
"""An answer that takes longer will not come: a proxy lost the connection and does not say so. Without a limit, that
would be waited for forever."""
VACUUM_WITHIN_S = 3_600.0
_IS_FULL = ("too many", "remaining connection slots")
_PASSES = ("starting up", "shutting down", "recovery", "not yet accepting")


class Linked(psycopg.Connection[Row]):
    """Waits only so long for an answer, and then is closed. None: as long as it takes."""

    within_s: float | None = WITHIN_S
    is_lost: Callable[[], bool] = staticmethod(lambda: False)
    """Whether it is known that no answer will come."""

    def wait(self, gen: PQGen[T], interval: float = _LOOK_S, timeout: float | None = None) -> T:  # noqa: ARG002  # psycopg's
        if self.within_s is None:
            return super().wait(gen, interval)
        try:
            ends = _until(gen, time.monotonic() + self.within_s, self.is_lost)
            return waiting.wait(ends, self.pgconn.socket, interval=_LOOK_S)
        except Late:
            self.close()
            raise


def _until(gen: PQGen[T], end_s: float, is_lost: Callable[[], bool]) -> PQGen[T]:
    """As `gen`, but it raises `Late` when the time is up, or if the connection is lost."""
    try:
        wait = next(gen)
        while True:
            ready = yield wait
            if not ready and (time.monotonic() >= end_s or is_lost()):
                raise Late("no answer in time")
            wait = gen.send(ready)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # the generator's result
    finally:
        gen.close()


@contextmanager
def as_long_as_it_takes(link: Link) -> Iterator[None]:
    """Within it, answers are waited for without an end."""
    assert isinstance(link, Linked)
    before, link.within_s = link.within_s, None
    try:
        yield
    finally:
        link.within_s = before


def end_earlier(link: Link, name: str) -> None:
    """End the connections of this name that wait for this process, which gave them up: PostgreSQL may never hear of it,
    and would keep what they have locked. If it raises `psycopg.Error`, `link` is closed."""
    try:
        end(link, b"application_name = %(name)s AND wait_event_type = 'Client'", {"name": f"hogline {name}"})
    except BaseException:
        close(link)
        raise


def end(link: Link, which: bytes, values: Values) -> None:
    """End connections to this database, `which` is a condition. What they have not committed is rolled back. Raises
    `psycopg.Error`."""
    # A user that takes on another role when it connects has lost the right to end its own connections.
    role: str = value(link, b"SELECT current_setting('role')")
    if role != "none":
        link.execute(b"SET ROLE NONE")
    link.execute(
        b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        b" AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))"
        b" AND pid <> pg_backend_pid() AND " + which,
        values,
    )
    if role != "none":
        link.execute(b"SELECT set_config('role', %(role)s, false)", {"role": role})


def connect(url: str, name: str, within_s: float | None = WITHIN_S, *, schema: str = "hogline") -> Link:
    """A new connection in autocommit mode. `name`: as `Myself.named` gives it. Raises `psycopg.Error`, and `Unusable`
    for what will not pass.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Unusable(
            "HOGLINE_STORE is no PostgreSQL URL, such as postgresql://user:password@host/database."
        ) from None
    timeout_s = int(given.pop("connect_timeout", None) or CONNECT_WITHIN_S)
    patient = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
    try:
        made = Linked.connect(
            autocommit=True,
            context=own_adapters(),
            connect_timeout=timeout_s,
            **{**patient, **given, "application_name": f"hogline {name}"},  # type: ignore[arg-type]
        )
    except psycopg.OperationalError as error:
        said = str(error)  # libpq gives no code here
        if any(full in said for full in _IS_FULL):
            raise Full("full") from None
        if "FATAL" in said and not any(passes in said for passes in _PASSES):
            raise Refused("refused") from None
        raise
    try:
        made.within_s = timeout_s
        _set_up(made, schema)
        made.within_s = within_s
    except BaseException:
        close(made)
        raise
    return made


def _set_up(link: Link, schema: str) -> None:
    """The session, in one round trip. Raises `psycopg.Error`, and `Unusable` for a PostgreSQL that is too old, or a
    database that cannot keep all texts."""
    if link.info.server_version < OLDEST:
        raise Unusable("Hogline needs PostgreSQL 14 or newer.")
    session = {**SESSION, "search_path": schema}
    given = {"names": list(session), "values": list(session.values())}
    # What is acknowledged has to outlast a power cut, whatever the database's default is.
    query = b"""
        SELECT current_setting('server_encoding'), count(set_config(name, value, false))
        FROM (
            SELECT * FROM unnest(%(names)s::text[], %(values)s::text[])
            UNION ALL SELECT 'synchronous_commit', 'on' WHERE current_setting('synchronous_commit') = 'off'
        ) AS one (name, value)
        WHERE current_setting(name, true) IS NOT NULL
    """
    encoding: str = value(link, query, given)
    if encoding not in {"UTF8", "SQL_ASCII"}:  # which takes any bytes
        raise Unusable(
            f"The database of HOGLINE_STORE has the encoding {encoding}, and events may contain any text. Create one "
            "with UTF8: CREATE DATABASE hogline ENCODING 'UTF8' TEMPLATE template0."
        )


def close(link: Link | None) -> None:
    if link is not None:
        with suppress(psycopg.Error):
            link.close()


def is_spent(link: Link, error: BaseException) -> bool:
    """Whether the next attempt needs another connection. If something is wrong with PostgreSQL, this one may keep it:
    it stays read-only, for example, after the database is not anymore."""
    return link.closed or trouble_of(error) not in {None, LOST}


@contextmanager
def a_moment(url: str, name: str, within_s: float) -> Iterator[Link]:
    """A connection as long as the context lasts. Raises `Unwritable`."""
    try:
        link = connect(url, name, within_s)
        try:
            yield link
        finally:
            close(link)
    except psycopg.Error as error:
        raise Unwritable(sentence_of(error)) from None


def vacuum(url: str, tables: Sequence[str]) -> None:
    """Give the space of what was removed back to these tables. Raises `Unwritable`."""
    with a_moment(url, "vacuum", VACUUM_WITHIN_S) as link:
        for table in tables:
            link.execute(f"VACUUM {table}".encode())


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
