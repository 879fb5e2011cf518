"""How fast somebody may try passwords: the more of theirs were wrong, the longer each next one waits before it is
looked at. Nobody is refused for what others tried, and nobody for long: the right password gets in.

Attempts are counted by address and account. A browser that has signed the account in before is counted separately, so
others behind the same address cannot slow it down. Knows no passwords.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

FREE = 3
"""Wrong ones without a wait: people mistype."""
FREE_OF_ADDRESS = 20
"""Of all accounts together."""
LONGEST_PAUSE_S = 30.0
FORGOTTEN_AFTER_S = 3_600.0
MOST_WAITING = 8
"""Per account and address: more at the same time are not a person typing."""
MOST_WAITING_OF_ADDRESS = 32
MOST_WAITING_IN_ALL = 200
MOST_REMEMBERED = 10_000


class TooMany(Exception):
    """More are waiting than people would send."""

    retry_after_s = 5


@dataclass
class _Tried:
    wrong: int = 0
    last_s: float = 0.0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Attempts:
    def __init__(self, now_s: Callable[[], float], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._now_s = now_s
        self._sleep = sleep
        self._tried: dict[tuple[str, str], _Tried] = {}
        self._waiting = 0
        self._hashing = {known: asyncio.Lock() for known in (False, True)}
        """A check takes a core for a moment: one at a time, and one of those whom we know."""

    async def check(self, account: str, address: str, browser: str, is_right: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it is the right password, asked after the pause that is due. `browser`: the id of one that signed
        the account in before, else empty. Raises `TooMany`.
        """
        own = self._of(browser or address, account)
        of_address = None if browser else self._of(address, "")
        counted = [own] if of_address is None else [own, of_address]
        if own.waiting >= MOST_WAITING or (
            of_address is not None
            and (of_address.waiting >= MOST_WAITING_OF_ADDRESS or self._waiting >= MOST_WAITING_IN_ALL)
        ):
            raise TooMany
        self._waiting += 1
        for tried in counted:
            tried.waiting += 1
        try:
            async with own.turn:
                pause_s = self._pause_s(own, FREE)
                if of_address is not None:
                    pause_s = max(pause_s, self._pause_s(of_address, FREE_OF_ADDRESS))
                if pause_s:
                    await self._sleep(pause_s)
                async with self._hashing[bool(browser)]:
                    right = await is_right()
                for tried in counted:
                    tried.wrong = 0 if right and tried is own else tried.wrong + (not right)
                    tried.last_s = self._now_s()
                return right
        finally:
            self._waiting -= 1
            for tried in counted:
                tried.waiting -= 1

    def _of(self, who: str, account: str) -> _Tried:
        key = (who, account)
        tried = self._tried.pop(key, None)
        if tried is None or (not tried.waiting and self._now_s() - tried.last_s > FORGOTTEN_AFTER_S):
            tried = _Tried()
        self._tried[key] = tried
        if len(self._tried) > MOST_REMEMBERED:  # the one that was quiet for longest
            del self._tried[next(iter(self._tried))]
        return tried

    def _pause_s(self, tried: _Tried, free: int) -> float:
        return max(0.0, tried.last_s + pause_after_s(tried.wrong, free) - self._now_s())


def pause_after_s(wrong: int, free: int = FREE) -> float:
    """How long the next one waits after so many wrong ones: 1 s, 2 s, 4 s, … up to half a minute."""
    return 0.0 if wrong < free else min(LONGEST_PAUSE_S, 2.0 ** min(wrong - free, 10))
