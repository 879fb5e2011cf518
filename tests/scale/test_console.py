"""The console as a process of its own: the process that delivers answers what pages ask."""

from __future__ import annotations

from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from many import Store

from hogline.store.datadir.secrets import Vault
from hogline.testing.processes import Running, api_status, connect, everywhere, hogline, hogline_json, status, until

PASSWORD = "a long enough one"


@pytest.fixture
def store(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": "3",
        "HOGLINE_CONSOLE_PASSWORD": PASSWORD,
    }
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


class Browser:
    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        with self._opener.open(self._url + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> str:
        request = Request(self._url + path, urlencode(fields).encode(), {"origin": self._url})
        with self._opener.open(request, timeout=30) as answer:
            return str(answer.read().decode())


def test_pages_and_forms_work_in_two_consoles_on_other_machines(store: Store, customerio: Running) -> None:
    connect(store.folder / "here", customerio.url)
    with store.serving("d", "deliver"), store.serving("", "console") as one, store.serving("", "console") as other:
        first, second = Browser(one.url), Browser(other.url)
        for browser in (first, second):
            until(lambda browser=browser: "customerio" in browser.post("/sign-in", account="admin", password=PASSWORD))  # type: ignore[misc]  # bound now
        assert "Delivering" in first.get("/connections/customerio/overview")
        first.post("/connections/customerio/pause")
        assert status(store.folder / "here")["state"] == "paused"
        assert """value="resume">Resume""" in second.get("/connections/customerio/overview")
        token = hogline_json(store.folder / "here", "api-tokens", "add", "reports", "--role", "viewer")["token"]
        until(lambda: api_status(other.url, token) == 200)
        hogline(store.folder / "here", "api-tokens", "revoke", "reports")
        until(lambda: api_status(other.url, token) == 401)
        assert other.stop() == 0
