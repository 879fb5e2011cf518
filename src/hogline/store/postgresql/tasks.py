"""What other processes ask the owner of the store to do, and its answers: rows of one table, encrypted.

A task is begun once. If its owner ends before it has answered, the asker is told so and decides.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto

from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.claim import Claim
from hogline.store.postgresql.link import Row, Values
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.reading import Reading
from hogline.store.shared import NoAnswer, NobodyOwns

SQL = queries("tasks")

READ_WITHIN_S = 20.0
IDLE_S = 0.25
"""How often the owner looks if nobody has asked for a while."""
BUSY_S = 0.02
STAYS_BUSY_S = 10.0
AT_ONCE = 50
AGAIN_S = 0.5
LOOK_EVERY_S = 5.0
"""For tasks that were begun and never heard of."""
FRESH_S = 60
"""The owner begins nothing that was asked earlier: nobody waits for it anymore."""
ANSWER_EVERY_S = 0.01
WAIT_FOR_OWNER_S = 10.0
"""Once a lease is over, those that stand by take over within a second."""
BEGUN_WITHIN_S = 20.0
"""An owner that lives begins a task within this time."""


class _Removed(Enum):
    """What a task was that its asker has removed."""

    WAITING = auto()
    """Nobody has begun it, so nobody will."""
    BEGUN = auto()
    UNKNOWN = auto()
    """It was not there, or may still be."""


class _Rows:
    """A connection that is used in a thread."""

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading = reading
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def __call__(self, name: str, values: Values) -> list[Row]:
        """Raises `Unwritable`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._reading.rows, SQL[name], values)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._reading.close()


class PostgresqlAnswers:
    """Implements `store.shared.Answers`."""

    def __init__(self, claim: Claim, vault: Vault) -> None:
        """Raises `psycopg.Error`. Blocks."""
        self._claim = claim
        self._vault = vault
        self._rows = _Rows(claim.reading("tasks", within_s=READ_WITHIN_S, reopens_itself=True), "tasks")
        self._busy_until_s = 0.0
        self._look_s = 0.0
        self._mine = set[uuid.UUID]()
        """Begun, and not answered yet."""

    async def next(self) -> list[tuple[uuid.UUID, bytes]]:
        while True:
            busy = time.monotonic() < self._busy_until_s
            await asyncio.sleep(BUSY_S if busy else IDLE_S)
            given = {**self._claim.identity, "fresh_s": FRESH_S, "most": AT_ONCE}
            try:
                if time.monotonic() > self._look_s:
                    # What was begun here, and never heard of because the connection broke, is begun again.
                    await self._rows("never_heard", {**self._claim.identity, "mine": list(self._mine)})
                    self._look_s = time.monotonic() + LOOK_EVERY_S
                found = await self._rows("begin", given)
            except Unwritable:
                await asyncio.sleep(AGAIN_S)
                continue
            if found:
                self._busy_until_s = time.monotonic() + STAYS_BUSY_S
                self._mine.update(task for task, _ in found)
                return [(task, self._read(request)) for task, request in found]

    def _read(self, request: bytes) -> bytes:
        """Empty, which nobody understands, if it was not encrypted with our key."""
        try:
            return self._vault.decrypt(request)
        except Unusable:
            return b""

    async def answer(self, task: uuid.UUID, answer: bytes) -> None:
        given = {"id": task, "answer": self._vault.encrypt(answer)}
        while not self._claim.lost.is_set():
            try:
                await self._rows("answer", given)
            except Unwritable:
                await asyncio.sleep(AGAIN_S)
            else:
                break
        self._mine.discard(task)

    async def close(self) -> None:
        await self._rows.close()


class PostgresqlAsks:
    """Implements `store.shared.Asks`."""

    def __init__(self, url: str, vault: Vault) -> None:
        reading = Reading(url, "asks", within_s=READ_WITHIN_S, reopens_itself=True)
        self._rows = _Rows(reading, "asks")
        self._vault = vault

    async def owned(self) -> bool:
        return bool((await self._rows("owned", {}))[0][0])

    async def ask(self, request: bytes) -> bytes:
        task = uuid.uuid4()
        try:
            await self._rows("ask", {"id": task, "request": self._vault.encrypt(request)})
        except Unwritable:
            if await self._removed(task) is _Removed.BEGUN:  # PostgreSQL got it after all
                raise NoAnswer from None
            raise
        try:
            answer = await self._answer(task)
        except (Unwritable, NobodyOwns):
            if await self._removed(task) is not _Removed.WAITING:
                raise NoAnswer from None
            raise
        except BaseException:
            await self._removed(task)
            raise
        await self._removed(task)
        return self._vault.decrypt(answer)

    async def _removed(self, task: uuid.UUID) -> _Removed:
        try:
            epochs = [epoch for removed, epoch in await self._rows("done", {"id": task}) if removed == task]
        except Unwritable:
            return _Removed.UNKNOWN
        if not epochs:
            return _Removed.UNKNOWN
        return _Removed.WAITING if epochs[0] is None else _Removed.BEGUN

    async def _answer(self, task: uuid.UUID) -> bytes:
        """Raises as `ask`, but `NobodyOwns` and `Unwritable` also if it may have been begun."""
        asked_s = owned_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            found = await self._rows("answered", {"id": task})
            if not found:  # nobody else removes it
                raise NoAnswer
            answer, epoch, current, is_owned = found[0]
            if answer is not None:
                return bytes(answer)
            if epoch is not None and (epoch != current or not is_owned):
                raise NoAnswer
            if not is_owned:
                if now_s > owned_s + WAIT_FOR_OWNER_S:
                    raise NobodyOwns
            else:
                owned_s = now_s
                if epoch is None and now_s > asked_s + BEGUN_WITHIN_S + WAIT_FOR_OWNER_S:
                    raise NobodyOwns
            # Answers to short questions come soon; long ones need not be asked for so often.
            await asyncio.sleep(max(ANSWER_EVERY_S, min(0.5, (now_s - asked_s) / 10)))

    async def close(self) -> None:
        await self._rows.close()
