"""`python -m bench.soak.stranger URL TOKEN SECONDS SEED`: what a stranger who read the public token may send, from a
thousand connections and eight addresses of this machine. Says at the end how often each was answered how.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import logging
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import urlsplit

import msgspec

CONNECTIONS = 1_000
ADDRESSES = [f"127.0.0.{n}" for n in range(2, 10)]
N = 20_000_000


def _event(properties: bytes, token: bytes) -> bytes:
    return b'{"api_key":"%s","event":"stranger","distinct_id":"s","properties":{"a":%s}}' % (token, properties)


def _repeated(begin: bytes, middle: bytes, end: bytes, size: int) -> bytes:
    return begin + middle * (size // len(middle)) + end


def _attacks(token: bytes) -> Mapping[str, bytes]:
    """Bodies by name. Those named `kept …` are taken; all others have to be refused."""
    texts = {
        "brackets": b"[" * N,
        "empty arrays": _repeated(b"[", b"[],", b"[]]", N),
        "empty objects": _repeated(b"[", b"{},", b"{}]", N),
        "escapes": _repeated(b"data=", b"%41", b"", N),
        "base64": base64.b64encode(b"[" * (N // 2)),
        "blanks": b" " * N,
    }
    bodies: dict[str, bytes] = {}
    for name, text in texts.items():
        once = gzip.compress(text)
        bodies |= {f"{name}, gzip": once, f"{name}, gzip twice": gzip.compress(once)}
    for name, begin, middle, end in (
        ("arrays", b"[", b"[],", b"[]]"),
        ("objects", b"[", b'{"":0},', b"{}]"),
        ("short texts", b"[", b'"ab",', b'"ab"]'),
        ("a wide text", '["😀'.encode(), b"a", b'"]'),
        ("a deep text", b"", b"[", b""),
    ):
        for size in (1_000_000, N):
            bodies[f"an event of {name}, {size}"] = gzip.compress(_event(_repeated(begin, middle, end, size), token))
        bodies[f"kept {name}"] = gzip.compress(_event(_repeated(begin, middle, end, 20_000), token))
    bodies["19.9 MB"] = b"[" + b"1," * 9_950_000 + b"1]"
    bodies["19.9 MB with the token"] = _event(b'"' + b"x" * 19_900_000 + b'"', token)
    bodies["kept 500 kB"] = _event(b'"' + b"x" * 500_000 + b'"', token)
    return bodies


class Stranger:
    def __init__(self, url: str, token: str, seconds: float, seed: int) -> None:
        self._port = urlsplit(url).port
        self._bodies = _attacks(token.encode())
        self._names = list(self._bodies)
        self._token = token.encode()
        self._end_s = time.monotonic() + seconds
        self._seed = seed
        self.answers: Counter[str] = Counter()
        self._large = asyncio.Semaphore(64)

    async def run(self) -> None:
        await asyncio.gather(*(self._connection(n) for n in range(CONNECTIONS)))

    async def _connection(self, number: int) -> None:
        random = Random(self._seed + number)
        ways: list[Callable[[Random, asyncio.StreamReader, asyncio.StreamWriter], object]] = [
            self._post, self._post, self._post, self._mutated, self._slow_head, self._slow_body, self._idle,
            self._pipelined, self._unread, self._nonsense,
        ]  # fmt: skip
        while time.monotonic() < self._end_s:
            way = random.choice(ways)
            try:
                async with asyncio.timeout(40):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", self._port, local_addr=(ADDRESSES[number % len(ADDRESSES)], 0), limit=2**16
                    )
                    try:
                        await way(random, reader, writer)  # type: ignore[misc]
                    finally:
                        writer.close()
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as gone:
                self.answers[f"{way.__name__} {type(gone).__name__}"] += 1
            await asyncio.sleep(random.expovariate(0.2))

    async def _answered(self, name: str, reader: asyncio.StreamReader) -> None:
        line = await reader.readline()
        self.answers[f"{name} {line.split()[1].decode() if line else 'closed'}"] += 1

    async def _post(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = random.choice(self._names)
        if name.startswith("kept") and random.random() < 0.9:  # the disk of this machine has an end
            name = "brackets, gzip twice"
        await self._send(name, self._bodies[name], random, reader, writer)

    async def _mutated(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        small = [name for name in self._names if len(self._bodies[name]) < 100_000]
        body = bytearray(self._bodies[random.choice(small)])
        for _ in range(random.randrange(1, 20)):
            body[random.randrange(len(body))] = random.randrange(256)
        await self._send("mutated", bytes(body), random, reader, writer)

    async def _send(
        self, name: str, body: bytes, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        path = random.choice([b"/batch/", b"/batch/", b"/e/", b"/flags/", b"/webhook/x", b"/i/v1/analytics/events"])
        named = random.choice([b"", b"content-encoding: gzip\r\n", b"content-encoding: deflate\r\n"])
        query = random.choice([b"", b"?compression=gzip-js", b"?compression=lz64", b"?token=" + self._token])
        head = b"POST %s%s HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n" % (path, query, named, len(body))
        async with self._large if len(body) > 1_000_000 else contextlib.nullcontext():
            with contextlib.suppress(ConnectionError):
                writer.write(head + body)
                await writer.drain()
            await self._answered(name, reader)

    async def _slow_head(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /e/ HTTP/1.1\r\n")
        for _ in range(random.randrange(30)):
            writer.write(b"a: b\r\n")
            await asyncio.sleep(1)
        await self._answered("slow head", reader)

    async def _slow_body(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: 19000000\r\n\r\n")
        for _ in range(random.randrange(40)):
            writer.write(b"{" * random.choice([1, 10, 60_000]))
            await asyncio.sleep(1)
        await self._answered("slow body", reader)

    async def _idle(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /webhook/wrong HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
        await self._answered("idle", reader)
        for _ in range(random.randrange(30)):
            writer.write(b"{")
            await asyncio.sleep(1)

    async def _pipelined(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * random.randrange(5_000))
        await self._answered("pipelined", reader)

    async def _unread(self, random: Random, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        for _turn in range(random.randrange(20)):
            writer.write(b"GET /array/x/config.js HTTP/1.1\r\nhost: x\r\n\r\n" * 10)
            await asyncio.sleep(1)

    async def _nonsense(self, random: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = random.choice([b"GET / HTTP/1.1\r\na: ", b"\x16\x03\x01", b"", b"GET /" + b"a" * 70_000, b"PRI * HTTP"])
        writer.write(begin + random.randbytes(random.randrange(300_000)).replace(b"\n", b"b"))
        await self._answered("nonsense", reader)


async def main() -> None:
    url, token, seconds, seed = sys.argv[1:]
    stranger = Stranger(url, token, float(seconds), int(seed))
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # connections that the other side closed are what is wanted
    print("ready", flush=True)
    await stranger.run()
    sys.stdout.write(msgspec.json.encode(stranger.answers).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main())
