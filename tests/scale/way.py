"""The way to PostgreSQL, which can lose connections without telling anybody, as a frozen proxy or a firewall does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"


class Way:
    """Connections to `folder` go to the server whose socket is there."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = str(server / SOCKET)
        self._open = threading.Event()
        """For connections that come from now on."""
        self._open.set()
        self._ways = [self._open]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self) -> None:
        """Nothing comes through the connections that are open, and nobody is told. New ones work."""
        self._open.clear()
        self._open = threading.Event()
        self._open.set()
        self._ways.append(self._open)

    def block(self) -> None:
        """Nothing comes through new ones either."""
        self._open.clear()

    def heal(self) -> None:
        """What was lost or blocked comes through after all."""
        for one in self._ways:
            one.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(near, self._open), daemon=True).start()

    def _carry(self, near: socket.socket, is_open: threading.Event) -> None:
        is_open.wait()
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._server)
        threading.Thread(target=_pour, args=(far, near, is_open), daemon=True).start()
        _pour(near, far, is_open)

    def close(self) -> None:
        self.heal()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pour(source: socket.socket, drain: socket.socket, is_open: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            is_open.wait()
            drain.sendall(data)
    is_open.wait()
    for one in (source, drain):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def way(folder: Path, server: Path) -> Iterator[Way]:
    made = Way(folder, server)
    try:
        yield made
    finally:
        made.close()
