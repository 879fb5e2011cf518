"""The console as a part of `hogline serve`: where it is, what opens it, when it does not start."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from hogline.cli import serve as serve_command
from hogline.cli.printing import SafeConsole
from hogline.environment import InvalidSettings
from hogline.runtime.serve import serving
from hogline.service import CannotDo
from hogline.settings import Settings, read_settings
from hogline.store.datadir.accounts import ConsoleAccounts
from hogline.store.datadir.directory import DataDirectory
from hogline.store.sqlite.journal import SqliteJournal

pytestmark = pytest.mark.anyio


def settings_in(folder: Path, **more: object) -> Settings:
    return read_settings(data=folder, listen="127.0.0.1:0", **{"console": "127.0.0.1:0", **more})


def answer(url: str) -> str:
    with urlopen(f"{url}/sign-in", timeout=10) as response:
        return str(response.read().decode())


async def test_it_is_served_and_its_password_told_at_first_start_only(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path)) as service:
        assert service.addresses.console is not None
        assert "Sign in" in await asyncio.to_thread(answer, service.addresses.console.url)
        first = service.addresses.console.first_password
        assert first is not None
        assert ConsoleAccounts(tmp_path).is_password(first)
        assert first not in repr(service.addresses.console)
        assert service.addresses.console.first_password_file == tmp_path / "first-password"
    async with serving(settings_in(tmp_path)) as service:
        assert service.addresses.console is not None
        assert service.addresses.console.first_password is None


async def test_it_can_be_off(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path, console="off")) as service:
        assert service.addresses.console is None
    assert not (tmp_path / "console.json").exists()


async def test_its_address_is_the_one_that_browsers_use(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path, console_url="https://console.example.org/")) as service:
        assert service.addresses.console is not None
        assert service.addresses.console.url == "https://console.example.org"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "example.org"])  # noqa: S104  # it does not start
async def test_beyond_this_machine_it_does_not_start_without_a_password_that_its_user_set(
    tmp_path: Path, host: str
) -> None:
    async with serving(settings_in(tmp_path)):
        pass  # made a password, which nobody chose
    with pytest.raises(CannotDo, match=r"can be reached from other machines.* Set one with `hogline password`"):
        async with serving(settings_in(tmp_path, console=f"{host}:0")):
            pass


async def test_with_a_password_that_its_user_set_it_does(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path / "a", console="0.0.0.0:0", console_password="open sesame")) as service:
        assert service.addresses.console is not None
        assert service.addresses.console.first_password is None
    with DataDirectory(tmp_path / "b"):
        ConsoleAccounts(tmp_path / "b").set_password("open sesame")
    async with serving(settings_in(tmp_path / "b", console="0.0.0.0:0")) as service:
        assert service.addresses.console is not None


async def test_an_address_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotDo, match=r"Cannot listen for the console on .* HOGLINE_CONSOLE"):
            async with serving(settings_in(tmp_path, console=address)):
                pass


@pytest.mark.parametrize("console", ["8001", "on", "127.0.0.1", "a:70000"])
def test_an_address_that_is_none_is_one_sentence(console: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^HOGLINE_CONSOLE must be host:port, .*, or off\.$"):
        read_settings(console=console)


@pytest.mark.parametrize("terminal", [True, False])
async def test_the_first_password_is_told_to_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(
        serve_command, "err", SafeConsole(file=said, force_terminal=terminal, width=1_000, highlight=False)
    )
    async with serving(settings_in(tmp_path)) as service:
        assert service.addresses.console is not None
        serve_command._tell_how_to_sign_in(service.addresses.console)
        first = service.addresses.console.first_password
        assert first is not None
    assert (first in said.getvalue()) == terminal
    assert (str(tmp_path / "first-password") in said.getvalue()) != terminal
    async with serving(settings_in(tmp_path)) as service:  # a second start: nothing new to tell but where it is
        assert service.addresses.console is not None
        serve_command._tell_how_to_sign_in(service.addresses.console)
    assert str(tmp_path / "first-password") in said.getvalue()
    ConsoleAccounts(tmp_path).set_password("open sesame")
    async with serving(settings_in(tmp_path)) as service:
        assert service.addresses.console is not None
        assert service.addresses.console.first_password_file is None


# What watches


def status_of(url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    try:
        with urlopen(Request(url, body, headers), timeout=10) as response:
            return response.status, response.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


async def asked(url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    return await asyncio.to_thread(lambda: status_of(url, body, **headers))


async def test_prometheus_and_probes_need_no_sign_in_and_strangers_at_the_receiving_side_learn_nothing(
    tmp_path: Path,
) -> None:
    async with serving(settings_in(tmp_path)) as service:
        assert service.addresses.console is not None
        at, public = service.addresses.console.url, service.addresses.receives
        assert await asked(f"{at}/readyz") == (200, '{"ready":true,"problems":[]}')
        status, page = await asked(f"{at}/metrics")
        assert (status, "hogline_info" in page) == (200, True)
        assert (await asked(f"{at}/metrics", b"", origin=at))[0] == 405
        assert (await asked(f"{at}/metrics", host="evil.example"))[0] == 421
        for path in ("/readyz", "/metrics"):
            assert (await asked(public + path))[0] == 404
        assert await asked(f"{public}/healthz") == (200, "{}")


async def test_a_scraper_behind_a_proxy_that_signs_in_needs_no_account(tmp_path: Path) -> None:
    named = settings_in(tmp_path, console_sign_in_header="X-Forwarded-Email", trusted_proxies="127.0.0.1")
    async with serving(named) as service:
        assert service.addresses.console is not None
        who = {"X-Forwarded-Email": "prometheus@example.com"}
        assert (await asked(f"{service.addresses.console.url}/metrics", None, **who))[0] == 200
        assert (await asked(f"{service.addresses.console.url}/", None, **who))[0] == 403


@pytest.mark.parametrize("console", ["127.0.0.1:0", "off"])
async def test_metrics_can_have_an_address_of_their_own(tmp_path: Path, console: str) -> None:
    async with serving(settings_in(tmp_path, metrics="127.0.0.1:0", console=console)) as service:
        assert service.addresses.watched is not None
        assert (await asked(f"{service.addresses.watched}/readyz"))[0] == 200
        assert (await asked(f"{service.addresses.watched}/metrics", host="hogline.monitoring"))[0] == 200
        assert (await asked(f"{service.addresses.watched}/webhook", b"{}"))[0] == 404
        if service.addresses.console is not None:
            assert (await asked(f"{service.addresses.console.url}/metrics"))[0] == 404


async def test_an_address_for_metrics_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotDo, match=r"Choose another address with HOGLINE_METRICS\.$"):
            async with serving(settings_in(tmp_path, metrics=address)):
                pass


def test_an_address_for_metrics_is_host_and_port(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="HOGLINE_METRICS must be host:port"):
        settings_in(tmp_path, metrics="here")


async def test_on_a_full_disk_it_is_not_ready_until_the_disk_takes_something_again(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path)) as service:
        assert service.addresses.console is not None
        ready, token = f"{service.addresses.console.url}/readyz", (await service.project_tokens.show()).token
        journal = service.journal
        assert isinstance(journal, SqliteJournal)
        journal._writer._hold_s = 0.2
        journal._written.pragma("max_page_count", 1)  # SQLite makes it as many as there are
        event = {"event": "clicked", "distinct_id": "u1", "properties": {"text": "x" * 100_000}}
        body = json.dumps({"event": event}).encode()
        who = {"authorization": f"Bearer {token}"}
        assert (await asked(f"{service.addresses.receives}/webhook", body, **who))[0] == 503
        status, said = await asked(ready)
        assert status == 503
        (sentence,) = json.loads(said)["problems"]
        assert sentence.startswith("The disk of the data directory is full.")
        assert await asked(f"{service.addresses.receives}/_readiness") == (503, "{}")
        journal._written.pragma("max_page_count", 1_000_000)
        async with asyncio.timeout(10):
            while (await asked(ready))[0] != 200:
                await asyncio.sleep(0.02)
        assert (await asked(f"{service.addresses.receives}/webhook", body, **who))[0] == 200
