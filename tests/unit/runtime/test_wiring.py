"""Every command works whether or not `hogline serve` runs on the same data directory."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from hogline.delivery.quiet import Quiet
from hogline.runtime import wiring as process
from hogline.runtime.remote import is_remote
from hogline.runtime.serve import serve, serving
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo
from hogline.service.core import Addresses
from hogline.settings import Settings
from hogline.store.base import Unusable
from hogline.store.datadir.directory import DataDirectory, Held

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, listen="127.0.0.1:0", console="127.0.0.1:0")


async def the_token(settings: Settings) -> str:
    async with service_for(settings) as service:
        return (await service.project_tokens.show()).token


def is_free(folder: Path) -> bool:
    try:
        with DataDirectory(folder):
            return True
    except Held:
        return False


async def test_a_command_alone_works_on_the_directory_itself(settings: Settings) -> None:
    async with service_for(settings) as service:
        assert not is_remote(service)
        assert not is_free(settings.data)
        assert not (settings.data / "control.sock").exists()
    assert is_free(settings.data)


async def test_the_token_is_made_once(settings: Settings) -> None:
    assert await the_token(settings) == await the_token(settings)


async def test_a_command_beside_a_running_process_asks_it(settings: Settings) -> None:
    alone = await the_token(settings)
    async with serving(settings) as running:
        async with service_for(settings) as service:
            assert is_remote(service)
            view = await service.project_tokens.show()
        assert view.token == alone
        # It knows the port that was taken, which the settings do not.
        assert view.webhook_url == f"{running.addresses.receives}/webhook/{alone}"
        assert not running.addresses.receives.endswith(":0")
    assert await the_token(settings) == alone


async def test_many_commands_at_once_beside_a_running_process_are_all_answered(settings: Settings) -> None:
    async with serving(settings):
        assert len(set(await asyncio.gather(*(the_token(settings) for _ in range(20))))) == 1


async def test_many_commands_at_once_without_one_take_turns(settings: Settings) -> None:
    assert len(set(await asyncio.gather(*(the_token(settings) for _ in range(4))))) == 1


async def test_a_command_that_delivers_is_there_for_others_as_long_as_it_lasts(settings: Settings) -> None:
    async with service_for(settings, delivers=True) as sending:
        assert not is_remote(sending)
        async with service_for(settings) as other:
            assert is_remote(other)
            assert await other.project_tokens.show() == await sending.project_tokens.show()


async def test_a_second_process_on_the_directory_is_refused(settings: Settings) -> None:
    async with serving(settings):
        with pytest.raises(CannotDo) as raised:
            async with serving(settings):
                pass
        assert str(raised.value) == (
            f"Another Hogline is already running on {settings.data}. Stop it, or choose another --data."
        )
        assert await the_token(settings)  # and the first one goes on
    async with serving(settings):
        pass


async def test_a_command_waits_for_one_that_holds_the_directory_for_a_moment(settings: Settings) -> None:
    with ExitStack() as holder:
        holder.enter_context(DataDirectory(settings.data))
        tried = asyncio.Event()
        waiting = asyncio.create_task(telling(tried, settings))
        await tried.wait()
        assert not waiting.done()
        holder.close()
        async with asyncio.timeout(10):
            assert await waiting


async def telling(tried: asyncio.Event, settings: Settings) -> str:
    asyncio.get_running_loop().call_soon(tried.set)
    return await the_token(settings)


async def test_a_command_does_not_wait_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WAIT_FOR_OTHER_S", 0.1)
    with (
        DataDirectory(settings.data),
        pytest.raises(CannotDo, match="is using this data directory and does not respond"),
    ):
        await the_token(settings)


async def test_a_port_that_is_taken_is_one_clear_sentence_and_lets_the_directory_go(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = settings.model_copy(update={"listen": f"127.0.0.1:{other.getsockname()[1]}"})
        with pytest.raises(CannotDo, match=r"^Cannot listen on 127\.0\.0\.1:\d+ \(.*\)\. .* HOGLINE_LISTEN\.$"):
            async with serving(taken):
                pass
    assert is_free(settings.data)


async def test_a_store_that_cannot_be_opened_lets_the_directory_go(settings: Settings) -> None:
    DataDirectory(settings.data)
    (settings.data / "state.db").write_text("not a database, but long enough to be taken for the head of one " * 9)
    (settings.data / "state.db").chmod(0o600)
    for _ in range(2):
        with pytest.raises(Unusable, match=r"state\.db"):
            await the_token(settings)
        with pytest.raises(Unusable, match=r"state\.db"):
            async with serving(settings):
                pass
    assert is_free(settings.data)


async def test_the_wrong_key_is_one_clear_sentence(settings: Settings) -> None:
    await the_token(settings)
    (settings.data / "secret.key").unlink()
    with pytest.raises(Unusable, match=r"Restore secret\.key"):
        await the_token(settings)
    assert is_free(settings.data)


async def test_a_directory_of_a_running_process_is_private(settings: Settings) -> None:
    async with serving(settings):
        assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in settings.data.iterdir()} == {0o600}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_serve_receives_until_it_is_told_to_stop(settings: Settings, number: signal.Signals) -> None:
    async def ask_and_stop(url: str) -> int:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as answer:
            status = answer.status
        os.kill(os.getpid(), number)
        return status

    asked: list[asyncio.Task[int]] = []

    def ready(addresses: Addresses) -> None:
        asked.append(asyncio.create_task(ask_and_stop(addresses.receives)))

    try:
        async with asyncio.timeout(20):
            await serve(settings, ready)
        assert await asked[0] == 200
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(each)
    assert is_free(settings.data)


@pytest.mark.parametrize("gives_up", [False, True])
async def test_after_a_process_that_gave_up_a_request_the_next_one_is_quiet_at_first(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, gives_up: bool
) -> None:
    made: list[bool] = []

    def note(_quiet: Quiet, _send: object, _clock: object, *, for_s: float, was_killed: bool) -> None:
        assert for_s == settings.quiet_after_kill_s
        made.append(was_killed)

    monkeypatch.setattr(Quiet, "is_over", not gives_up, raising=False)
    monkeypatch.setattr(Quiet, "__init__", note)
    for _ in range(2):
        async with service_for(settings, delivers=True):
            pass
    assert made == [False, gives_up]
