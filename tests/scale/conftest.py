"""Tests with a private PostgreSQL, which each process of a run starts once. `make test-scale` runs them; `make test`
does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.link import close, connect
from hogline.store.postgresql.schema import migrate
from hogline.testing.kafka import Broker, NoKafka
from hogline.testing.kafka import private as private_kafka
from hogline.testing.postgresql import NoPostgresql, Server, private
from hogline.testing.processes import Running, sandbox


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    try:
        with private() as server:
            yield server
    except NoPostgresql as missing:
        pytest.exit(str(missing), returncode=1)


@pytest.fixture(scope="session")
def database(postgresql: Server) -> str:
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as link:
        link.execute(b"CREATE DATABASE hogline")
    return postgresql.url("hogline")


@pytest.fixture
def url(database: str) -> Iterator[str]:
    """An empty database."""
    yield database
    with psycopg.connect(database, autocommit=True) as link:
        link.execute(b"DROP SCHEMA IF EXISTS hogline CASCADE")


@pytest.fixture
async def aside(url: str) -> AsyncIterator[Aside]:
    """An empty store, for what is kept beside delivery."""
    link = connect(url, "test")
    migrate(link)
    close(link)
    opened = Aside(url, "test")
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    try:
        with private_kafka() as running:
            yield running
    except NoKafka as missing:
        pytest.exit(str(missing), returncode=1)


@pytest.fixture(scope="module")
def customerio() -> Iterator[Running]:
    with sandbox() as running:
        yield running
