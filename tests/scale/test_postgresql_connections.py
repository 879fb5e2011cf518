"""How many connections to PostgreSQL each process keeps, as the docs say."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from many import Store, names, send
from test_console import PASSWORD, Browser

from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.trouble import MOST_LINKS
from hogline.testing.processes import Running, connect, everywhere, hogline, hogline_json, until

DOCS = Path(__file__).parents[2] / "docs/scale.md"


@pytest.fixture
def store(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {"HOGLINE_STORE": url, "HOGLINE_SECRET_KEY": Vault.new_key(), "HOGLINE_CONSOLE_PASSWORD": PASSWORD}
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


def said() -> dict[str, int]:
    """The table in the docs."""
    return {
        role: int(most)
        for role, most in re.findall(
            r"^  \| (owns the store|delivers|receives|console) \| (\d+) \|$", DOCS.read_text(), re.MULTILINE
        )
    }


def open_now(store: Store) -> int:
    with psycopg.connect(store.env["HOGLINE_STORE"]) as link:
        found = link.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hogline %'").fetchone()
        assert found is not None
        return int(found[0])


def test_each_process_keeps_as_many_connections_as_the_docs_say(store: Store, customerio: Running) -> None:
    connect(store.folder / "a", customerio.url)
    token = hogline_json(store.folder / "a", "token")["token"]
    most = said()
    assert max(most.values()) == MOST_LINKS
    with store.serving("a", "deliver"):
        until(lambda: open_now(store) == most["owns the store"])
        with store.serving("b", "deliver"):
            until(lambda: open_now(store) == most["owns the store"] + most["delivers"])
        with store.serving("r", "receive") as receiver:
            assert send(receiver, token, "x") == 200
            until(lambda: "x" in names(customerio))
            until(lambda: open_now(store) == most["owns the store"] + most["receives"])
        with store.serving("", "console") as console:
            browser = Browser(console.url)
            until(lambda: "customerio" in browser.post("/sign-in", account="admin", password=PASSWORD))
            for page in ("overview", "events", "people", "failures"):
                browser.get(f"/connections/customerio/{page}")
            browser.get("/audit")
            until(lambda: open_now(store) == most["owns the store"] + most["console"])
    with store.serving("a"):
        hogline(store.folder / "b", "events")
        until(lambda: open_now(store) == most["owns the store"])
