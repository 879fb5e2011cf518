"""`hogline status --watch` goes on whatever happens, once it has shown something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hogline.cli import status as command
from hogline.service import CannotDo
from hogline.settings import Settings
from hogline.store.base import Unusable, Unwritable
from hogline.views.connections import Status

pytestmark = pytest.mark.anyio

STATUS = Status(connections=[], refused={})


@pytest.mark.parametrize("kind", [CannotDo, Unusable, Unwritable])
async def test_while_the_status_is_not_available_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    found: list[Status | Exception] = [STATUS, kind("away"), STATUS, kind("away")]

    class Service:
        def __init__(self) -> None:
            self.status = self

        async def show(self) -> Status:
            match found.pop(0):
                case Status() as status:
                    return status
                case trouble:
                    raise trouble

    @asynccontextmanager
    async def service_for(_: Settings) -> AsyncIterator[Service]:
        yield Service()

    monkeypatch.setattr(command, "service_for", service_for)
    monkeypatch.setattr(command, "WATCH_EVERY_S", 0.0)
    looks = command._looks(Settings(data=tmp_path))
    async with asyncio.timeout(10):
        assert [await anext(looks) for _ in range(4)] == [STATUS, "away", STATUS, "away"]
        found.append(kind("away"))
        with pytest.raises(kind):
            await anext(command._looks(Settings(data=tmp_path)))
