"""A client of the HTTP API without a network: requests go straight into the ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct
from service_bench import ServiceBench, bench_in

from hogline.console.api import Api


class Reply(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def message(self) -> str:
        """The sentence of an error."""
        return msgspec.json.decode(self.body, type=dict[str, dict[str, str]])["error"]["message"]


class Client:
    """`token` goes along with every request, unless another is given. `at_s` moves the API's clock."""

    def __init__(self, bench: ServiceBench, token: str, **limits: float) -> None:
        self.bench = bench
        self.token = token
        self.at_s = 0.0
        self.api = Api(bench.service, lambda: self.at_s, **limits)  # type: ignore[arg-type]  # numbers

    async def ask(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> Reply:
        sent = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        given = {"authorization": f"Bearer {self.token}"} | (headers or {})
        parts = urlsplit(url)
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": quote(parts.path).encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": (address, 50_000),
            "server": ("127.0.0.1", 8_001),
        }
        parts_of_body = [sent[at : at + 65_536] for at in range(0, len(sent), 65_536)] or [b""]
        answered: list[Any] = []

        async def receive() -> dict[str, object]:
            part = parts_of_body.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts_of_body)}

        async def send(message: Any) -> None:
            answered.append(message)

        await self.api(scope, receive, send)
        start, *rest = answered
        return Reply(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            b"".join(message.get("body", b"") for message in rest),
        )

    async def good(self, method: str, url: str, body: object = None, status: int = 200) -> Any:
        """What is answered, as JSON."""
        reply = await self.ask(method, url, body)
        assert reply.status == status, reply
        return reply.json if reply.body else None


@asynccontextmanager
async def client_in(folder: Path, **limits: float) -> AsyncIterator[Client]:
    async with bench_in(folder) as bench:
        yield Client(bench, (await bench.service.api_tokens.make("test", "admin")).token, **limits)
