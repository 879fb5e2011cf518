"""An ASGI app on a port, in the event loop that runs already.

uvicorn speaks HTTP; here it gets its limits (`protocol`), no signal handlers, and a stop that waits. Knows nothing of
the app.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from types import TracebackType
from typing import Self

import uvicorn

from hogline.sources.addresses import TrustedProxies
from hogline.sources.asgi import App
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections
from hogline.sources.limits import DEFAULT, ReceivingLimits
from hogline.sources.protocol import LimitedProtocol

STOP_S = 10
_BACKLOG = 2_048
_CHECK_S = 1.0


class Listener:
    """`async with Listener(app, host, port) as listener:` accepts connections on `listener.port` until the
    block ends. Starting raises OSError if the address is not available. Stopping twice does nothing."""

    def __init__(
        self,
        app: App,
        host: str,
        port: int,
        *,
        limits: ReceivingLimits = DEFAULT,
        proxies: TrustedProxies | None = None,
        connections: Connections | None = None,
        budget: Budget | None = None,
        stop_s: int = STOP_S,
    ) -> None:
        """`budget`: for the bodies of all listeners of the process."""
        self.host = host
        self.port = port
        """0 until started: the system chooses one."""
        self._connections = Connections() if connections is None else connections
        shortest_s = min(limits.head_s, limits.body_s, limits.idle_s, limits.write_s, limits.linger_s)
        self._check_every_s = min(shortest_s / 4, _CHECK_S)
        protocol: type[LimitedProtocol] = type(
            "_Protocol",
            (LimitedProtocol,),
            {
                "limits": limits,
                "others": self._connections,
                "budget": budget or Budget(),
                "proxies": proxies or TrustedProxies(),
            },
        )
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=math.ceil(limits.idle_s),
            timeout_graceful_shutdown=stop_s,
        )
        config.load()
        # What a sender does wrong is no line of a log: a stranger could fill the disk with it.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._sockets: list[socket.socket] = []
        self._ticking: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        bound = _bind(self.host, self.port)
        self.port = bound.getsockname()[1]
        self._sockets = [bound]
        await self._server.startup(sockets=self._sockets)
        self._ticking = asyncio.create_task(self._server.main_loop())
        self._checking = asyncio.create_task(self._check())

    async def stop(self) -> None:
        """Accept nothing more, answer what is open within `stop_s` seconds, then cut."""
        ticking, self._ticking = self._ticking, None
        if ticking is None:
            return
        self._server.should_exit = True
        await ticking
        await self._server.shutdown(sockets=self._sockets)
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)

    async def _check(self) -> None:
        """Hold every connection to its deadlines, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._check_every_s)
            now_s = loop.time()
            for connection in list(self._server.server_state.connections):
                assert isinstance(connection, LimitedProtocol)
                connection.check(now_s)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio only turns Nagle's algorithm off where the protocol is named; with it every answer, which is
    # written in two parts, waits 40 ms for the other side's acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound
