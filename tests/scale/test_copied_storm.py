"""A Hogline that is killed again and again, and moves from files to PostgreSQL and back each time."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from pathlib import Path

import psycopg
import pytest
from everything import content_of

from hogline.store.datadir.secrets import Vault
from hogline.testing.postgresql import Server
from hogline.testing.processes import everywhere, hogline

sys.path.insert(0, str(Path(__file__).parents[2]))  # the storms are those of `make soak`, shorter

from bench.soak.storm import Storm, rage
from bench.soak.traffic import Traffic


@pytest.mark.timeout(300)
def test_whatever_is_copied_between_kills_nothing_is_missing_or_counted_twice(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = secrets.randbits(32)
    monkeypatch.setenv("HOGLINE_SECRET_KEY", key := Vault.new_key())
    monkeypatch.setitem(everywhere, "HOGLINE_SECRET_KEY", key)
    moves: list[str] = []
    data = tmp_path / "data"

    def move(_url: str, _last: bool) -> None:  # noqa: FBT001  # as the storm calls it
        into_postgresql = len(moves) % 2 == 0
        if into_postgresql:
            name = f"copied_{len(moves)}"
            with psycopg.connect(postgresql.url("postgres"), autocommit=True) as link:
                link.execute(f"CREATE DATABASE {name}")
            moves.append(url := postgresql.url(name))
            hogline(data, "store", "copy", "--from", data, HOGLINE_STORE=url)
            before = asyncio.run(content_of(data, key))
            assert asyncio.run(content_of(tmp_path / f"data of {name}", key, url)) == before
            shutil.rmtree(data)
            monkeypatch.setenv("HOGLINE_STORE", url)
            monkeypatch.setitem(everywhere, "HOGLINE_STORE", url)
        else:
            url = moves[-1]
            with psycopg.connect(url, autocommit=True) as link:
                # It was killed, and nobody wants to wait half a minute.
                link.execute("DELETE FROM hogline.process")
                link.execute("UPDATE hogline.store SET owner = NULL, lease = NULL, begins_until = NULL")
            shutil.rmtree(data, ignore_errors=True)
            hogline(data, "store", "copy", "--to", data)
            before = asyncio.run(content_of(tmp_path / f"data of {len(moves)}", key, url))
            assert asyncio.run(content_of(data, key)) == before
            moves.append(str(data))
            monkeypatch.delenv("HOGLINE_STORE")
            monkeypatch.delitem(everywhere, "HOGLINE_STORE")

    outcome = rage(Storm(traffic=Traffic(people=40, events_each=60), kills=5, seed=seed, each_start=move), tmp_path)

    assert len(moves) == 6
    assert outcome.verdict.good, (seed, outcome)
