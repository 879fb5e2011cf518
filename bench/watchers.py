"""Many viewers of a live page: `python -m bench.watchers CONSOLE PASSWORD HOW_MANY`. Says `ready` when all look on, and
how many events each was shown when a line comes in. As static/updates.js does, each asks for the page when something
has changed.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp

STREAM, PAGE = "/changes", "/connections/customerio/live"


async def main(console: str, password: str, how_many: int) -> None:
    shown = [0] * how_many
    connector = aiohttp.TCPConnector(limit=2 * how_many + 1)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        headers = {"sec-fetch-site": "same-origin"}
        async with session.post(f"{console}/sign-in", data={"password": password}, headers=headers) as answer:
            assert answer.status == 200
        opened = [asyncio.Event() for _ in range(how_many)]

        async def watch(number: int) -> None:
            async with session.get(console + STREAM, timeout=aiohttp.ClientTimeout(None)) as stream:
                assert stream.status == 200
                async for chunk in stream.content.iter_any():
                    if b"event: changed" in chunk:
                        async with session.get(console + PAGE, headers={"x-part": "1"}) as page:
                            shown[number] += (await page.read()).count(b'id="event-')
                    opened[number].set()

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
