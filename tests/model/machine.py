"""The real Hogline, whole but for its sockets and threads: its door, its journal, its state, its workers, its service.

This is the only room of the simulation that knows Hogline's code. Files lie in a folder (in memory, where the system has
such a place), so whatever survives a death is what was committed.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import random
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import structlog

from hogline.delivery.crew import Leader
from hogline.delivery.quiet import Quiet
from hogline.delivery.workers import Workers
from hogline.destinations.base import Unreachable
from hogline.model import Request, Response
from hogline.service import CannotDo, Service
from hogline.service.finding import Nobody
from hogline.settings import Settings
from hogline.sources.http import create_app
from hogline.store.base import Connection
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite import database
from hogline.store.sqlite.journal import SqliteJournal
from hogline.views.connections import ConnectionStatus
from hogline.views.people import PersonView

from .crew import Board, Process, SharedState
from .customerio import CustomerIo
from .history import World
from .virtual import Clock, Killed, Life, Loop, Writer

TOKEN = "hog_lives"
_SETTINGS = Settings()
QUIET_S: float = Settings.model_fields["quiet_after_kill_s"].default
_migrations = cache(database.migrations)


class _GlassVault(Vault):
    """Secrets at rest are none of the simulation's business, and take time."""

    def __init__(self) -> None:
        super().__init__(Vault.new_key())

    def encrypt(self, secret: bytes) -> bytes:
        return secret

    def decrypt(self, encrypted: bytes) -> bytes:
        return encrypted


_VAULT = _GlassVault()
MATES_CHANGE = 0.3
"""How often other processes come or go while time passes."""
_NEVER_MS = 2**61
"""When what waits for other options is due."""


@contextmanager
def _real_but_for_threads(flush_s: float, step_s: float) -> Iterator[None]:
    """`step_s`: how often processes hear of each other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with (
        patch("hogline.store.sqlite.state.Writer", Writer),
        patch("hogline.store.sqlite.journal.Writer", Writer),
        patch("hogline.store.sqlite.database.migrations", _migrations),
        patch("hogline.delivery.folder.FLUSH_S", flush_s),
        patch("hogline.delivery.folder.FLUSH_FOR_OTHERS_S", step_s),
        patch("hogline.delivery.worker.STEP_EVERY_S", step_s),
        patch("hogline.delivery.worker.HEAR_EVERY_S", step_s / 2),
        patch("hogline.delivery.crew.LOOK_EVERY_S", step_s),
        patch("hogline.delivery.portions.LOOK_EVERY_S", step_s / 2),
    ):
        yield


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # files of one process, random names


class Machine:
    """Lives from `start` to the end of the context. Every method leaves time where Hogline left it."""

    def __init__(self, world: World, customerio: Callable[[str], CustomerIo], loop: Loop, chance: Random) -> None:
        """`customerio`: of a workspace by its Site ID."""
        self._world = world
        self._customerio = customerio
        self._loop = loop
        self._chance = chance
        self.clock = Clock(loop)
        self.failures: deque[str] = deque()
        """What becomes of the next requests."""
        self.immortal = False
        self.deaths = 0
        self.points = 0
        """At which it might have died."""
        self._folder = Path(tempfile.mkdtemp(prefix="lives-", dir=_memory()))
        self._settings = _SETTINGS.model_copy(
            update={"merge_delay_s": world.merge_delay_s, "data": self._folder, "share_behind_s": 0}
        )
        self._life: Life
        self._journal: SqliteJournal
        self._state: SharedState
        self.service: Service
        self._app: Any
        self._ids: dict[str, int] = {}
        """Of the connections, by name."""
        self._asking = 0
        """Requests that are out."""
        self._late: list[tuple[CustomerIo, Request]] = []
        """Requests of a process that died, which arrive behind the first one of the next."""
        self._lateness = Random(f"late {world.schedule}")
        self._was_killed = False
        self._quiet: Quiet
        self.requests = 0
        self._born = 0
        """Other processes so far."""
        self._mates: list[Process] = []
        self._board: Board
        self._spreading: asyncio.Future[None] | None = None
        self._comings = Random(f"mates {world.schedule}")

    # a process

    def start(self) -> None:
        self._run(self._start())

    async def _start(self) -> None:
        self._life = Writer.life = Life(self._may_die)
        Writer.pause_s = staticmethod(lambda: self._chance.random() * self._world.commit_s)
        self._journal = SqliteJournal(self._folder / "journal.db", self.clock.time_ms)
        self._state = SharedState(self._folder / "state.db", _VAULT)
        self._state.clear, self._state.written, self._state.journal = {}, {}, self._journal
        self._board = board = Board()
        leader = Leader(board, self._state, self.clock, lease_s=600) if self._world.mates else None
        self._quiet = Quiet(self._send, self.clock, for_s=QUIET_S, was_killed=self._was_killed)
        self._was_killed = True
        self.service = Service(
            self._settings,
            journal=self._journal,
            state=self._state,
            send=self._quiet.send,
            clock=self.clock,
            delivers=True,
            leader=leader,
        )
        if not await self._state.tokens():
            await self._state.add_token(TOKEN)
        self._mates = [self._mate(board) for _ in range(self._world.mates)]
        if leader is not None:
            await leader.begin()
        await self.service.start()
        self._spreading = None
        if self.service.spreading is not None:
            self._spreading = asyncio.ensure_future(self.service.spreading.run())
        self._app = create_app(
            self._journal, self.service.token_check, self.service.status.problems, self.clock.time_ms
        )

    def _mate(self, board: Board) -> Process:
        self._born += 1

        def workers() -> Workers:
            return Workers(
                journal=self._journal,
                state=self._state,
                send=self._quiet.send,
                clock=self.clock,
                stopped=_stops,
                merge_delay_s=self._world.merge_delay_s,
                follows=True,
            )

        return Process(f"mate {self._born}", board, workers, self._state, self.clock)

    def _may_die(self, _what: str) -> bool:
        if self.immortal:
            return False
        self.points += 1
        return self._chance.random() < self._world.death_rate or self.points == self._world.dies_at

    def kill(self) -> None:
        self._life.end()
        self._bury()
        self.start()

    def restart(self) -> None:
        mates = self._mates
        if all(self._do(mate.leave()) for mate in mates) and self._do(self._close()):
            self._do(self._state.close())
            self._do(self._journal.close())
            self._was_killed = self._life.over or not self._quiet.is_over
            self._life.end()
            self._bury()
            self.start()

    async def _close(self) -> None:
        if self._spreading is not None:
            self._spreading.cancel()
            await asyncio.gather(self._spreading, return_exceptions=True)
        await self.service.close(5.0)

    def _bury(self) -> None:
        """Nothing of the dead process runs on; what it had open is closed, as the kernel does."""
        self.deaths += 1
        for _ in range(100):
            tasks = asyncio.all_tasks(self._loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(_done(tasks))
        for store, names in ((self._state, ("_written", "_read", "_searched")), (self._journal, ("_written", "_read"))):
            for name in names:
                getattr(store, name).close()

    def end(self) -> None:
        self._life.end()
        self._bury()
        shutil.rmtree(self._folder)
        self._loop.close()

    def _run(self, coroutine: Any) -> Any:
        """Something that is not interrupted by the process's death."""
        self.immortal, before = True, self.immortal
        try:
            return self._loop.run_until_complete(coroutine)
        finally:
            self.immortal = before

    def _do(self, coroutine: Any) -> bool:
        """Whether the process lived through it; if not, another one was started."""
        done = self._loop.run_until_complete(self._lives_through(coroutine))
        if self._life.over:  # perhaps just after it was done
            self._bury()
            self.start()
        return done

    async def _lives_through(self, coroutine: Any) -> bool:
        task = asyncio.ensure_future(coroutine)
        died = asyncio.ensure_future(self._life.died.wait())
        await asyncio.wait([task, died], return_when=asyncio.FIRST_COMPLETED)
        if self._life.over:
            task.cancel()
            return False
        died.cancel()
        task.result()
        return True

    # the door

    def receive(self, bodies: list[dict[str, Any]]) -> None:
        """PostHog's SDKs send a batch; its webhook sends events one by one."""
        for is_webhook, some in groupby(bodies, key=lambda body: "person" in body):
            if is_webhook:
                for body in some:
                    self._run(self._post(f"/webhook/{TOKEN}", body))
            else:
                self._run(self._post("/batch", {"api_key": TOKEN, "batch": list(some)}))

    async def _post(self, path: str, body: object) -> None:
        text = msgspec.json.encode(body)
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": text, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        await self._app(scope, receive, send)
        assert statuses == [200], (statuses, body)

    # the line to Customer.io

    async def _send(self, request: Request) -> Response:
        self._asking += 1
        try:
            return await self._ask_customerio(request)
        finally:
            self._asking -= 1

    async def _ask_customerio(self, request: Request) -> Response:
        life, latency_s = self._life, self._world.latency_s
        site_id = base64.b64decode(request.headers["authorization"].split()[1]).decode().split(":")[0]
        customerio = self._customerio(site_id)
        delivers = request.method != "GET"
        try:
            await asyncio.sleep(self._chance.random() * latency_s)
            way = self.failures.popleft() if delivers and self.failures else ""
            if delivers:
                self.requests += 1
                life.step("before a request")
        except (asyncio.CancelledError, Killed):
            if delivers and life.over:
                self._be_late(customerio, request)
            raise
        late, self._late = (self._late, []) if delivers else ([], self._late)
        if b'"merge"' in request.body:  # there is a pause before a merge, which no request takes
            self._arrive(late)
            late = []
        status, body = 0, b""
        if not way or way.endswith("after"):
            status, body = customerio.take(request.method, request.url, request.body)
        self._arrive(late)
        if delivers:
            life.step("after a request")
        if way.startswith("reset"):
            raise Unreachable("connection reset")
        if way:
            status, body = int(way[:3]), b"{}"
        await asyncio.sleep(self._chance.random() * latency_s)
        return Response(status, {}, body)

    def _be_late(self, customerio: CustomerIo, request: Request) -> None:
        """A request of a process that died may still arrive, nearly always before the next one sends anything. If it
        goes by an email, always: it would find nobody if that moved on."""
        if self._lateness.random() < 0.5:
            return
        if b'"identifiers":{"email"' in request.body or self._lateness.random() < 0.5:
            self._loop.call_later(self._lateness.random() * QUIET_S, self._arrive, [(customerio, request)])
        else:
            self._late.append((customerio, request))

    def _arrive(self, late: list[tuple[CustomerIo, Request]]) -> None:
        for customerio, request in late:
            customerio.take(request.method, request.url, request.body)

    # time

    def wait(self, seconds: float) -> None:
        if self._mates and self._comings.random() < MATES_CHANGE:
            self._do(self._change_mates())
        self._do(asyncio.sleep(seconds))

    async def _change_mates(self) -> None:
        """One ends or is killed, or another one joins."""
        way = self._comings.choice(["leave", "die", "join"])
        if way == "join":
            self._mates.append(self._mate(self._board))
        elif len(self._mates) > 1:
            one = self._mates.pop(self._comings.randrange(len(self._mates)))
            await (one.leave() if way == "leave" else one.die())

    def rest(self) -> None:
        """Until nothing is left to do, for nobody."""
        for _ in range(5_000):
            pause_s = self._run(self._left())
            if pause_s is None:
                return
            self._do(asyncio.sleep(pause_s))
        raise AssertionError("never at rest")

    async def _left(self) -> float | None:
        """Seconds until it is worth to look again; None: nothing is left to do."""
        if self._asking:
            return 1.0
        next_ms, now_ms = _NEVER_MS, self.clock.time_ms()
        for status in (await self.service.status.show()).connections:
            if status.state == "paused":
                continue
            if status.pending:
                return 1.0
            connection = self._ids[status.name]
            if self._state.again(connection, 1) or await self._state.replay(connection) is not None:
                return 1.0
            if await self._state.failures(connection, retrying=True, limit=1):
                return 1.0
            for _, due_ms in self._state.due(connection, 1):
                next_ms = min(next_ms, due_ms)
        return None if next_ms == _NEVER_MS else max((next_ms - now_ms) / 1_000, 1.0)

    # what users do

    def ask(self, call: Callable[[Service], Any], *, until_done: bool = True) -> None:
        """A command. One that cannot be done now is none; one that the process did not live through is given again."""

        async def tried() -> None:
            with suppress(CannotDo):
                await call(self.service)

        while not self._do(tried()) and until_done:
            pass

    def status(self) -> list[ConnectionStatus]:
        return self._run(self.service.status.show()).connections  # type: ignore[no-any-return]

    def person(self, name: str, distinct_id: str) -> PersonView | None:
        """`hogline people show`: the person whose an id is; None: nothing is known of them."""
        try:
            found: PersonView = self._run(self.service.people.show(name, distinct_id)).person
            if found.joined_into is not None:
                found = self._run(self.service.people.show(name, found.joined_into)).person
        except CannotDo:
            return None
        return found

    def end_of_journal(self) -> int:
        return self._journal.end

    def resend(self, name: str, who: str) -> None:
        """`hogline people resend`."""
        self.ask(lambda service: service.resending.person(name, who))

    def forget(self, who: str, *, suppress: bool) -> None:
        """`hogline people forget`; of whoever is not known `hogline people suppress`."""

        async def forgotten(service: Service) -> None:
            try:
                await service.forgetting.forget(who, suppress=suppress)
            except Nobody:
                if suppress:
                    await service.forgetting.suppress(who)

        self.ask(forgotten)

    def connect(self, name: str, options: dict[str, object]) -> None:
        credentials: dict[str, object] = {"site_id": name, "api_key": "key", "max_requests_per_second": 1000}
        self._run(self.service.connections.add("customerio", credentials | options, name=name))
        self._ids[name] = len(self._ids) + 1


async def _stops(_connection: Connection, _reason: str) -> None:
    raise AssertionError("nothing stops a connection here")


async def _done(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, timeout=1)


@contextmanager
def machine(world: World, customerio: Callable[[str], CustomerIo], loop: Loop, chance: Random) -> Iterator[Machine]:
    random.seed(world.schedule)
    with _real_but_for_threads(world.flush_s, Random(f"step {world.schedule}").choice([0.1, 1, 5])):
        made = Machine(world, customerio, loop, chance)
        made.start()
        try:
            yield made
        finally:
            made.end()
