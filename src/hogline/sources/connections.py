"""How many connections there may be, in all and from one address, and which one gives way when there are too many.

A connection on which nothing is being answered can be closed without harm: its sender opens another. So the one that
has been idle longest gives way to a new one, and only when all are busy a new one is turned away. A connection whose
request has not arrived yet counts as idle, however slowly it comes.
"""

from __future__ import annotations

import resource
from collections import Counter
from typing import Protocol

RESERVED = 256
"""File descriptors that no sender may use up: for requests to destinations, databases and files."""
_MOST = 4_096
_MOST_EACH = 256


class Connection(Protocol):
    def evict(self) -> None:
        """Close immediately, without a response."""
        ...


class Connections:
    """Those of one listener."""

    def __init__(self, most: int = _MOST, most_each: int = _MOST_EACH) -> None:
        self._most = most
        self._most_each = most_each
        self._whose: dict[Connection, str | None] = {}
        self._idle: dict[Connection, None] = {}
        """The one that has been idle longest first."""
        self._by_address: dict[str, dict[Connection, None]] = {}
        """All of an address, in the same order: busy ones are passed over."""
        self._asking: Counter[str] = Counter()

    def admit(self, connection: Connection, address: str | None) -> bool:
        """A new connection, idle as yet. `address`: None if it is a trusted proxy's, who speaks for many. False: it
        has to be turned away.
        """
        if address is not None and len(self._by_address.get(address, ())) >= self._most_each:
            own = next((one for one in self._by_address[address] if one in self._idle), None)
            if own is None:
                return False
            self._evict(own)
        if len(self._whose) >= self._most:
            oldest = next(iter(self._idle), None)
            if oldest is None:
                return False
            self._evict(oldest)
        self._whose[connection] = address
        if address is not None:
            self._by_address.setdefault(address, {})[connection] = None
        self._idle[connection] = None
        return True

    def busy(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Nothing is being answered on it from now on."""
        if connection not in self._whose:
            return
        self._idle[connection] = None
        address = self._whose[connection]
        if address is not None:
            mine = self._by_address[address]
            mine[connection] = mine.pop(connection)

    def gone(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        address = self._whose.pop(connection, None)
        if address is not None:
            mine = self._by_address[address]
            del mine[connection]
            if not mine:
                del self._by_address[address]

    def may_ask(self, address: str) -> bool:
        """For requests that come by a trusted proxy: one more of this client's is being answered, until `asked`.
        False: there are too many.
        """
        if self._asking[address] >= self._most_each:
            return False
        self._asking[address] += 1
        return True

    def asked(self, address: str) -> None:
        self._asking[address] -= 1
        if not self._asking[address]:
            del self._asking[address]

    def _evict(self, connection: Connection) -> None:
        self.gone(connection)
        connection.evict()


def raise_file_limit() -> int:
    """As many file descriptors as the system lets this process have. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS names a limit that it does not grant
            return soft
    return hard if hard != resource.RLIM_INFINITY else 2**20


def shares(files: int) -> tuple[int, int]:
    """How many connections the receiving side and the console may have, where so many files can be open."""
    free = max(files - RESERVED, files // 2)
    console = min(max(free // 8, 4), 256)
    return max(min(free - console, _MOST), 4), console
