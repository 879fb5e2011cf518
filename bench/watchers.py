"""Many viewers of a live page: `python -m bench.watchers CONSOLE PASSWORD HOW_MANY`. Says `ready` when all look on, and
how many events each was shown when a line comes in.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp

STREAM = "/connections/customerio/live/stream?after=0"


async def main(console: str, password: str, how_many: int) -> None:
    shown = [0] * how_many
    connector = aiohttp.TCPConnector(limit=how_many + 1)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        headers = {"sec-fetch-site": "same-origin"}
        async with session.post(f"{console}/sign-in", data={"password": password}, headers=headers) as answer:
            assert answer.status == 200
        opened = [asyncio.Event() for _ in range(how_many)]

        async def watch(number: int) -> None:
            async with session.get(console + STREAM, timeout=aiohttp.ClientTimeout(None)) as stream:
                assert stream.status == 200
                async for chunk in stream.content.iter_any():
                    opened[number].set()
                    shown[number] += chunk.count(b'id="event-')

        watching = [asyncio.create_task(watch(number)) for number in range(how_many)]
        await asyncio.gather(*(one.wait() for one in opened))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for one in watching:
            one.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    print(*shown)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
