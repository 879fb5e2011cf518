"""A destination that accepts everything immediately: `python -m bench.sink [latency_ms]`. It counts, and for operations
that carry `sent_ns` among their data it remembers how long they were under way.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop

_SENT = re.compile(rb'"sent_ns":(\d+)')
_REGION = b'{"url":"http://sink","region":"us","environment_id":1}'


class Sink:
    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.requests = 0
        self.operations = 0
        self.events = 0
        self.under_way_ms: list[float] = []

    def take(self, body: bytes) -> None:
        self.requests += 1
        self.operations += body.count(b'{"type":"person"')
        self.events += body.count(b'"action":"event"') + body.count(b'"action":"page"')
        now_ns = time.time_ns()
        self.under_way_ms += [(now_ns - int(sent)) / 1e6 for sent in _SENT.findall(body)]

    def report(self) -> bytes:
        return msgspec.json.encode(
            {
                "requests": self.requests,
                "operations": self.operations,
                "events": self.events,
                "under_way_ms": self.under_way_ms,
            }
        )


class _Connection(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, self._body = b"".join(self._body), []
        if self._url == b"/report":
            self._answer(self._sink.report())
        elif self._url.endswith(b"/accounts/region"):
            self._answer(_REGION)
        elif self._sink.latency_s:
            asyncio.get_running_loop().call_later(self._sink.latency_s, self._accept, body)
        else:
            self._accept(body)

    def _accept(self, body: bytes) -> None:
        self._sink.take(body)
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )


async def main(latency_ms: float) -> None:
    sink = Sink(latency_ms / 1_000)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(sink), "127.0.0.1", 0)
    print(f"Sink at http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
