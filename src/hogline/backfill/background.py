"""Reading in a separate thread, so that the event loop keeps running. The thread ends with the process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def started(work: Callable[[], T]) -> asyncio.Future[T]:
    """What the work returns or raises, once it is done. Cancelling the caller does not wait for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # it is what the work returned

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    done.add_done_callback(lambda _: done.cancelled() or done.exception())  # perhaps nobody waits for it
    threading.Thread(target=run, daemon=True, name="reading").start()
    return done


async def batches(items: Iterable[T], most: int) -> AsyncIterator[list[T]]:
    """The items, each as soon as it is there: all that are waiting, up to `most`."""
    loop = asyncio.get_running_loop()
    waiting: deque[T] = deque()
    some = asyncio.Event()
    room = threading.Semaphore(2 * most)

    def read() -> None:
        for item in items:
            room.acquire()
            waiting.append(item)
            if len(waiting) == 1:
                loop.call_soon_threadsafe(some.set)

    done = started(read)
    done.add_done_callback(lambda _: some.set())
    while True:
        await some.wait()
        some.clear()
        while waiting:
            batch = [waiting.popleft() for _ in range(min(most, len(waiting)))]
            room.release(len(batch))
            yield batch
        if done.done() and not waiting:
            done.result()
            return
