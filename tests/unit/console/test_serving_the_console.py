"""The console as a part of `hogline serve`: where it is, what opens it, when it does not start."""

from __future__ import annotations

import asyncio
import io
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from hogline.cli import serve as serve_command
from hogline.cli.printing import SafeConsole
from hogline.serve import serving
from hogline.service import Mistake
from hogline.settings import InvalidSettings, Settings, read_settings
from hogline.store.access import Access
from hogline.store.directory import DataDirectory

pytestmark = pytest.mark.anyio


def settings_in(folder: Path, **more: object) -> Settings:
    return read_settings(data=folder, listen="127.0.0.1:0", **{"console": "127.0.0.1:0", **more})


def answer(url: str) -> str:
    with urlopen(f"{url}/sign-in", timeout=10) as response:
        return str(response.read().decode())


async def test_it_is_served_and_its_password_told_at_first_start_only(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path)) as service:
        assert service.console is not None
        assert "Sign in" in await asyncio.to_thread(answer, service.console.url)
        first = service.console.first_password
        assert first is not None
        assert Access(tmp_path).is_password(first)
        assert first not in repr(service.console)
        assert service.console.first_password_file == tmp_path / "first-password"
    async with serving(settings_in(tmp_path)) as service:
        assert service.console is not None
        assert service.console.first_password is None


async def test_it_can_be_off(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path, console="off")) as service:
        assert service.console is None
    assert not (tmp_path / "console.json").exists()


async def test_its_address_is_the_one_that_browsers_use(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path, console_url="https://console.example.org/")) as service:
        assert service.console is not None
        assert service.console.url == "https://console.example.org"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "example.org"])  # noqa: S104  # it does not start
async def test_beyond_this_machine_it_does_not_start_without_a_password_that_its_user_set(
    tmp_path: Path, host: str
) -> None:
    async with serving(settings_in(tmp_path)):
        pass  # made a password, which nobody chose
    with pytest.raises(Mistake, match=r"would be open to others on .* Set one with `hogline password`"):
        async with serving(settings_in(tmp_path, console=f"{host}:0")):
            pass


async def test_with_a_password_that_its_user_set_it_does(tmp_path: Path) -> None:
    async with serving(settings_in(tmp_path / "a", console="0.0.0.0:0", console_password="open sesame")) as service:
        assert service.console is not None
        assert service.console.first_password is None
    with DataDirectory(tmp_path / "b"):
        Access(tmp_path / "b").set_password("open sesame")
    async with serving(settings_in(tmp_path / "b", console="0.0.0.0:0")) as service:
        assert service.console is not None


async def test_an_address_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Mistake, match=r"The console cannot listen on .* HOGLINE_CONSOLE"):
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
        assert service.console is not None
        serve_command._tell_how_to_sign_in(service.console)
        first = service.console.first_password
        assert first is not None
    assert (first in said.getvalue()) == terminal
    assert (str(tmp_path / "first-password") in said.getvalue()) != terminal
    async with serving(settings_in(tmp_path)) as service:  # a second start: nothing new to tell but where it is
        assert service.console is not None
        serve_command._tell_how_to_sign_in(service.console)
    assert str(tmp_path / "first-password") in said.getvalue()
    Access(tmp_path).set_password("open sesame")
    async with serving(settings_in(tmp_path)) as service:
        assert service.console is not None
        assert service.console.first_password_file is None
