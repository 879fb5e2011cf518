"""The console over a service with a real store, asked as a browser asks: without a socket, its cookies kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from msgspec import Struct, field
from service_bench import ServiceBench, bench_in

from hogline.console import Console, create_console
from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.settings import Settings
from hogline.store.datadir.accounts import ConsoleAccounts

PASSWORD = "open sesame"
HOST = "127.0.0.1:8001"
OWN: Mapping[str, str] = {"sec-fetch-site": "same-origin"}
"""What a browser says with a form of ours."""


class Reply(Struct):
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    text: str = ""


class Browser:
    """One browser: keeps its cookies, follows no redirects."""

    def __init__(self, bench: ServiceBench, settings: Settings) -> None:
        self.bench = bench
        self.now_s = 1_793_527_200.0
        self.app, self.console = create_console(bench.service, settings, now_s=lambda: self.now_s, sleep=self._sleep)
        self.slept_s = 0.0
        self.cookies: dict[str, str] = {}
        self.address = "127.0.0.1"

    async def _sleep(self, seconds: float) -> None:
        """Time is moved, not waited for."""
        self.now_s += seconds
        self.slept_s += seconds

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers)

    async def post(self, path: str, headers: Mapping[str, str] = OWN, /, **form: str) -> Reply:
        """A form of ours, unless other headers are given. The fields are those of the form."""
        typed = {"content-type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, {**typed, **headers}, urlencode(form).encode())

    stays = False
    """Whether it waits for the end of an answer, however long that takes; else it goes away after asking."""

    async def receive(self, event: str, distinct_id: str = "user-1") -> None:
        """An event comes in."""
        received = Event(
            uuid=str(uuid4()), name=event, distinct_id=distinct_id, timestamp_ms=0, received_ms=0, properties={}
        )
        await self.bench.service.journal.append([encode_event(received)])

    async def sign_in(self, password: str = PASSWORD, account: str = "") -> Reply:
        return await self.post("/sign-in", account=account, password=password)

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        path, _, query = path.partition("?")
        given = {"host": HOST, "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "client": (self.address, 1), "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "server": ("127.0.0.1", 8001),
        }  # fmt: skip
        messages: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        reply = Reply()

        async def receive() -> MutableMapping[str, Any]:
            if self.stays and not messages:
                await asyncio.Event().wait()
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                pairs = [(name.decode(), value.decode()) for name, value in message["headers"]]
                reply.headers = dict(pairs)
                reply.cookies = [value for name, value in pairs if name == "set-cookie"]
            else:
                reply.text += message.get("body", b"").decode(errors="replace")  # it may be compressed

        await self.app(scope, receive, send)
        self._keep(reply.cookies)
        return reply

    def _keep(self, cookies: list[str]) -> None:
        for cookie in cookies:
            for name, morsel in SimpleCookie(cookie).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


@asynccontextmanager
async def console_in(folder: Path, *, signed_in: bool = True, **settings: object) -> AsyncIterator[Browser]:
    """A browser before a console; `settings` as `Settings` takes them."""
    async with bench_in(folder) as bench:
        yield await console_of(bench, folder, signed_in=signed_in, **settings)


async def console_of(bench: ServiceBench, folder: Path, *, signed_in: bool = True, **settings: object) -> Browser:
    ConsoleAccounts(folder).set_password(PASSWORD)
    browser = Browser(bench, Settings(data=folder, **settings))  # type: ignore[arg-type]
    if signed_in:
        assert (await browser.sign_in()).status == 303
    return browser


__all__ = ["HOST", "OWN", "PASSWORD", "Browser", "Console", "Reply", "console_in", "console_of"]
