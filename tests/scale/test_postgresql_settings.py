"""A database that somebody else has set up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from many import change

from hogline.store.base import Unusable, Unwritable
from hogline.store.copying import from_directory
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.secrets import Vault
from hogline.store.opening import opened as opened_anywhere
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.claim import claimed
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.link import close, connect, value
from hogline.store.postgresql.opening import asks
from hogline.store.postgresql.pen import Pen
from hogline.store.postgresql.presence import Myself, end_connections
from hogline.store.postgresql.reading import Reading
from hogline.testing.postgresql import Server

pytestmark = pytest.mark.anyio

VAULT = Vault(Vault.new_key())


@contextmanager
def setting(url: str, name: str, its_value: str) -> Iterator[None]:
    """For every new connection to the database."""
    change(url, f"ALTER DATABASE hogline SET {name} = {its_value}")
    try:
        yield
    finally:
        with psycopg.connect(url, autocommit=True) as link:
            link.execute(b"SET default_transaction_read_only = off")
            link.execute(f"ALTER DATABASE hogline RESET {name}".encode())


SETTINGS = {
    "client_encoding": ("LATIN1", "UTF8"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "idle_in_transaction_session_timeout": ("'10ms'", "20s"),
    "idle_session_timeout": ("'1h'", "0"),
    "lock_timeout": ("'1ms'", "30s"),
    "search_path": ("public, pg_catalog", "hogline"),
    "standard_conforming_strings": ("off", "on"),
    "statement_timeout": ("'1h'", "0"),
    "synchronous_commit": ("off", "on"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_connection_says_what_it_depends_on(url: str, name: str) -> None:
    theirs, ours = SETTINGS[name]
    with setting(url, name, theirs):
        link = connect(f"{url}&client_encoding=LATIN1&options=-c%20work_mem%3D1MB", "test")
        assert value(link, f"SELECT current_setting('{name}')".encode()) == ours
        assert value(link, b"SELECT current_setting('work_mem')") == "1MB"
        close(link)


@pytest.mark.parametrize("theirs", ["local", "remote_write", "remote_apply"])
def test_another_kind_of_synchronous_commit_stays(url: str, theirs: str) -> None:
    with setting(url, "synchronous_commit", theirs):
        link = connect(url, "test")
        assert value(link, b"SELECT current_setting('synchronous_commit')") == theirs
        close(link)


async def test_what_was_read_only_can_be_written_again(url: str) -> None:
    claim = await claimed(url, VAULT)
    with setting(url, "default_transaction_read_only", "on"):
        pen, aside = Pen(claim, "state"), Aside(url, "aside")
        reading = Reading(url, "asks", within_s=9, reopens_itself=True)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            pen.touch()
        with pytest.raises(Unwritable, match="read-only"):
            await aside.write(lambda link: link.execute(b"UPDATE audit_end SET last = 1"))
        with pytest.raises(Unwritable, match="read-only"):
            reading.rows(b"UPDATE audit_end SET last = 2 RETURNING last")
    pen.touch()
    await aside.write(lambda link: link.execute(b"UPDATE audit_end SET last = 1"))
    assert reading.rows(b"UPDATE audit_end SET last = 2 RETURNING last") == [(2,)]
    pen.close()
    reading.close()
    await aside.close()
    await claim.release()


async def test_tables_that_are_hidden_for_a_while_are_the_databases_fault(url: str) -> None:
    claim = await claimed(url, VAULT)
    journal = PostgresqlJournal(claim)
    change(url, "ALTER SCHEMA hogline RENAME TO hidden")
    for _ in range(2):
        with pytest.raises(Unwritable, match="tables are not in the database"):
            await journal.append([b"x"])
    change(url, "ALTER SCHEMA hidden RENAME TO hogline")
    claim.look()
    async with asyncio.timeout(20):
        while claim.trouble is not None:
            await asyncio.sleep(0.01)
    assert await journal.append([b"x"]) == 1
    await journal.close()
    await claim.release()


@pytest.fixture
def made(postgresql: Server) -> Iterator[list[str]]:
    """SQL that removes what a test has created."""
    undo: list[str] = []
    yield undo
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as link:
        for sql in reversed(undo):
            link.execute(sql.encode())


def created(postgresql: Server, undo: list[str], *several: tuple[str, str]) -> None:
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as link:
        for what, more in several:
            link.execute(f"CREATE {what} {more}".encode())
            undo.append(f"DROP {what}{' WITH (FORCE)' if what.startswith('DATABASE') else ''}")


def of_user(url: str, user: str) -> str:
    return url.replace("//hogline@", f"//{user}@")


def test_a_database_that_cannot_keep_every_text_is_refused(postgresql: Server, made: list[str]) -> None:
    created(postgresql, made, ("DATABASE encoded", "ENCODING 'LATIN1' TEMPLATE template0"))
    with pytest.raises(Unusable, match="has the encoding LATIN1"):
        connect(postgresql.url("encoded"), "test")


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_a_database_that_can_is_used(postgresql: Server, made: list[str], encoding: str) -> None:
    created(postgresql, made, ("DATABASE encoded", f"ENCODING '{encoding}' TEMPLATE template0"))
    link = connect(postgresql.url("encoded"), "test")
    assert value(link, b"SELECT %(text)s::text", {"text": "日本 é"}) == "日本 é"
    close(link)


async def test_a_schema_that_the_user_owns_is_enough(
    postgresql: Server, made: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    created(postgresql, made, ("ROLE guest", "LOGIN"), ("DATABASE theirs", ""))
    url = of_user(postgresql.url("theirs"), "guest")
    folder, key = tmp_path_factory.mktemp("data"), Vault.new_key()
    with DataDirectory(folder) as directory:
        async with opened_anywhere(directory, key, lambda: 0):
            pass
    with pytest.raises(Unusable, match="lacks a right"):  # a copy needs a second schema
        from_directory(folder, url, key, lambda _: None)
    change(postgresql.url("theirs"), "CREATE SCHEMA hogline AUTHORIZATION guest")
    claim = await claimed(url, VAULT)
    await claim.release()


LIMITS = {
    "the user": "ALTER ROLE few CONNECTION LIMIT 1",
    "the database": "ALTER DATABASE theirs CONNECTION LIMIT 1",
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_limit_of_connections_is_named(
    postgresql: Server, made: list[str], limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(postgresql, made, ("ROLE few", "LOGIN"), ("DATABASE theirs", "OWNER few"))
    change(postgresql.url("theirs"), LIMITS[limit])
    url = of_user(postgresql.url("theirs"), "few")
    link = connect(url, "test")
    monkeypatch.setattr("hogline.store.postgresql.opening.WAIT_S", 0)
    with pytest.raises(Unusable, match="no connection left"):
        async with asks(url, VAULT):
            pass
    close(link)


USERS = {
    "the same": ("one", "one"),
    "the same, which takes on another role": ("member", "member"),
    "another, which may end connections": ("one", "ends"),
}


@pytest.mark.parametrize("users", USERS)
def test_a_user_that_may_can_end_connections(postgresql: Server, made: list[str], users: str) -> None:
    theirs, ours = USERS[users]
    roles = (
        ("ROLE owns", ""),
        ("ROLE one", "LOGIN IN ROLE owns"),
        ("ROLE member", "LOGIN NOINHERIT IN ROLE owns"),
        ("ROLE ends", "LOGIN IN ROLE owns, pg_signal_backend"),
    )
    created(postgresql, made, *roles, ("DATABASE theirs", "OWNER owns"))
    url = postgresql.url("theirs")
    change(url, "ALTER ROLE member SET role = owns")
    dead = Myself(role="deliver")
    frozen = connect(of_user(url, theirs), dead.named("writer"))
    link = connect(of_user(url, ours), "test")
    user = value(link, b"SELECT current_user::text")
    end_connections(link, [dead.id])
    with pytest.raises(psycopg.errors.AdminShutdown):
        frozen.execute(b"SELECT")
    assert value(link, b"SELECT current_user::text") == user
    close(link)
    close(frozen)
