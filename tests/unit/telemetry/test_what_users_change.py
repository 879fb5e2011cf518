"""What a user changes at a running process stands in its log: which connection and what, never a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from hogline.delivery.client import Client
from hogline.model import Request, Response
from hogline.runtime.serve import serving
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo
from hogline.settings import Settings

pytestmark = pytest.mark.anyio

REGION = Response(200, {}, b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}')
OPTIONS: dict[str, object] = {"site_id": "canary-site", "api_key": "canary-key"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    async def send(_self: Client, _request: Request) -> Response:
        return REGION

    monkeypatch.setattr(Client, "send", send)
    return Settings(data=tmp_path, listen="127.0.0.1:0", console="127.0.0.1:0")


async def test_each_change_is_a_line_and_no_value_stands_in_it(
    settings: Settings, lines: list[dict[str, object]]
) -> None:
    async with serving(settings) as running, service_for(settings) as remote:
        await remote.connections.add("customerio", OPTIONS, name="shop")
        await remote.connections.configure("shop", {"event_allowlist": "canary event", "api_key": "canary-key-2"})
        await remote.connections.pause("shop")
        await remote.connections.resume("shop")
        await remote.connections.remove("shop")
        old = (await running.project_tokens.show()).token
        await remote.project_tokens.rotate()
        await remote.project_tokens.revoke(old)
        await remote.project_tokens.add("phc_canary_key")
        await remote.project_tokens.revoke("phc_canary_key")
    asked = [line for line in lines if line["event"] not in {"connection started", "connection ended"}]
    assert asked == [
        {"log_level": "info", **line}
        for line in (
            {"event": "connection made", "connection": "shop", "destination": "customerio", "paused": False},
            {"event": "connection changed", "connection": "shop", "options": ["api_key", "event_allowlist"]},
            {"event": "connection paused", "connection": "shop"},
            {"event": "connection resumed", "connection": "shop", "skipped_backlog": False},
            {"event": "connection removed", "connection": "shop"},
            {"event": "token rotated", "kind": "private", "valid": 3},
            {"event": "token revoked", "kind": "private", "valid": 2},
            {"event": "token added", "valid": 3},
            {"event": "token revoked", "kind": "public", "valid": 2},
        )
    ]


async def test_what_could_not_be_done_is_no_line(settings: Settings, lines: list[dict[str, object]]) -> None:
    async with serving(settings) as running:
        for refused in (
            running.connections.resume("canary"),
            running.connections.pause("canary"),
            running.connections.add("canary", {}),
        ):
            with pytest.raises(CannotDo):
                await refused
    assert lines == []
