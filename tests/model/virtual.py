"""Virtual time: an event loop that never waits, and a death that can come between any two steps.

The loop has no sockets and no threads. When nothing is left to run, its time jumps to the next timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

NOON_MS = 1_793_000_000_000
"""When every history begins: milliseconds since 1970."""


class Stuck(Exception):
    """Somebody waits for what never comes."""


class _NoSockets:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is left to run, and somebody waits")
        self._loop.now_s += timeout
        return []


class Loop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = _NoSockets(self)
        self.set_exception_handler(lambda _loop, _context: None)  # tasks of a process that died

    def time(self) -> float:
        return self.now_s

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """There is none."""


class Clock:
    """Hogline's clock, and everybody else's."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def now_s(self) -> float:
        return self._loop.now_s

    def time_ms(self) -> int:
        return NOON_MS + round(self._loop.now_s * 1_000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Killed(BaseException):
    """The process is gone: nothing it does from here on happens."""


class Life:
    """One process, from its start to its end. `may_die` is asked before and after every commit and every request."""

    def __init__(self, may_die: Callable[[str], bool]) -> None:
        self._may_die = may_die
        self.over = False
        self.died = asyncio.Event()

    def step(self, what: str) -> None:
        """Raises `Killed` if the process is dead, or dies here."""
        if not self.over and self._may_die(what):
            self.end()
        if self.over:
            raise Killed

    def end(self) -> None:
        self.over = True
        self.died.set()


class Writer:
    """In the place of the store's writing thread: whoever waits shares the next commit, a moment later."""

    life: Life
    """Of the process that is running."""
    pause_s: Callable[[], float]

    def __init__(
        self,
        perform: Callable[[list[Any]], list[object]],
        *,
        name: str,
        probe: Callable[[], None],  # this disk is never in trouble
        trouble_of: Callable[[Exception], str | None],
        written: Callable[[object], None] = lambda _: None,
    ) -> None:
        self.trouble = None
        self._perform = perform
        self._written = written
        self._mortal = name.startswith("state")
        """What receives is judged elsewhere: its writes are not where the process dies."""
        self._life = type(self).life
        self._pause_s = type(self).pause_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[asyncio.Future[object], Any]] = []

    async def write(self, job: Any) -> object:
        if self._life.over:
            raise Killed
        future = self._loop.create_future()
        if not self._waiting:
            self._loop.call_later(self._pause_s(), self._commit)
        self._waiting.append((future, job))
        return await future

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            if self._mortal:
                self._life.step("before a commit")
            results = self._perform([job for _, job in waiting])
            if self._mortal:
                self._life.step("after a commit")
        except Killed:
            return
        except Exception as error:
            if len(waiting) > 1:  # as the real one: only the job at fault is told
                for one in waiting:
                    self._waiting = [one]
                    self._commit()
                return
            waiting[0][0].set_exception(error)
            return
        for (future, _), result in zip(waiting, results, strict=True):
            self._written(result)
            if not future.done():
                future.set_result(result)

    async def close(self) -> None:
        while self._waiting:
            await asyncio.sleep(1)
