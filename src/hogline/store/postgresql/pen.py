"""Transactions that only the owner of the store, or a guest, can commit, each exactly once.

Every transaction begins with the fence, which counts it. If the connection breaks before a commit is answered, nobody
knows whether it was done. Then the count tells: the next connection raises it, so a late commit of the old one is
fenced off, and sees how far it had come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import structlog

from hogline.store.postgresql.claim import Claim
from hogline.store.postgresql.link import Link, Values, close, connect, end_earlier, execute, is_spent, value
from hogline.store.postgresql.presence import Guest
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.trouble import FENCED, Fenced, trouble_of

T = TypeVar("T")

log = structlog.get_logger("hogline.store")

SQL = queries("pen")

AGAIN_S = 0.5


class _InDoubt(Exception):
    """The connection broke before a commit was answered. `result`: what it led to, if it was done."""

    def __init__(self, result: Callable[[], Any]) -> None:
        super().__init__()
        self.result = result


class Pen:
    """Used by one thread. `name`: the row of `writer` that counts its transactions."""

    def __init__(self, claim: Claim | Guest, name: str, first: bytes | None = None) -> None:
        """`first`: the first statement of each transaction. Raises `psycopg.Error` and `Fenced`."""
        self._claim = claim
        self._name = name
        self._first = first
        self._connection = claim.myself.named(f"{name.split(maxsplit=1)[0]} writer")
        self._link: Link | None = None
        self._unsure = False
        """The old connection may still be busy with a transaction."""
        self.closing = False
        """What is in doubt is given up: the process ends."""
        self._link = self._connected()
        self._number = self._asked(self._link, "number")

    def write(self, work: Callable[[Link], T]) -> T:
        """`work` in a transaction. It should wait for few results: statements go out together. Raises what it raises,
        `psycopg.Error` and `Fenced`; then nothing was written.
        """

        def transaction(link: Link) -> T:
            done = False
            try:
                with link.pipeline(), link.transaction():
                    if self._first is not None:
                        execute(link, self._first)
                    execute(link, SQL["fence"], self._mine)
                    result = work(link)
                    done = True
            except BaseException as error:
                if done and link.closed:
                    raise _InDoubt(lambda: result) from error
                raise
            return result

        return self._written(transaction)

    def receive(self, values: Values) -> int:
        """Append events with one statement, in which nobody ever waits for this process. Returns the position before
        them; raises as `write`.
        """

        def statement(link: Link) -> int:
            try:
                before: int = value(link, SQL["receive"], {**values, **self._mine})
            except psycopg.Error as error:
                if link.closed:
                    raise _InDoubt(self._before) from error
                raise
            return before

        return self._written(statement)

    @property
    def _mine(self) -> Values:
        return {"name": self._name, **self._claim.identity, "number": self._number}

    def _before(self) -> int:
        before: int = value(self._ready(), SQL["before"], {"name": self._name})
        return before

    def _written(self, attempt: Callable[[Link], T]) -> T:
        link = self._ready()
        try:
            return self._once(link, attempt)
        except psycopg.Error as error:
            if error.sqlstate != FENCED:
                raise
            number = self._asked(link, "number")  # raises `Fenced`, unless another pen of this process wrote
            if number == self._number:
                raise
            self._number = number
            return self._once(link, attempt)

    def _once(self, link: Link, attempt: Callable[[Link], T]) -> T:
        try:
            result = attempt(link)
        except _InDoubt as doubt:
            self._drop()
            if self._was_done():
                return doubt.result()  # type: ignore[no-any-return]  # of this attempt
            if self.closing:
                raise psycopg.OperationalError("it is unknown whether that was done") from doubt
            return self._once(self._ready(), attempt)
        except BaseException as error:
            if is_spent(link, error):
                self._drop()
            raise
        self._number += 1
        return result

    def _was_done(self) -> bool:
        """Whether the transaction before was committed. Waits as long as PostgreSQL is away."""
        log.warning("PostgreSQL did not answer a commit; Hogline will find out whether it was done", writer=self._name)
        while not self.closing:
            try:
                return self._settle_doubt(self._connected())
            except psycopg.Error as error:
                self._drop()
                if trouble_of(error) is None:
                    raise
                time.sleep(AGAIN_S)
        return False

    def _settle_doubt(self, link: Link) -> bool:
        """From here on, a late commit of the old connection is fenced off."""
        end_earlier(link, self._connection)
        number = self._asked(link, "skip")
        was_done: bool = number == self._number + 2
        self._link, self._number, self._unsure = link, number, False
        return was_done

    def _ready(self) -> Link:
        link = self._link
        if link is None or link.closed:
            link = self._connected()
            if self._unsure:
                self._settle_doubt(link)
            self._link = link
        return link

    def _connected(self) -> Link:
        link = connect(self._claim.url, self._connection)
        if not self._claim.recognizes(link):
            close(link)
            raise Fenced
        self._claim.watch(link, lambda: self.closing)
        return link

    def _asked(self, link: Link, query: str) -> int:
        """The number of its last transaction, or a new one (skip). If it raises, `link` is closed."""
        number: int | None = None
        try:
            number = value(link, SQL[query], {"name": self._name, **self._claim.identity})
        finally:
            if number is None:
                close(link)
        if number is None:
            self._claim.lose()
            raise Fenced
        return number

    def touch(self) -> None:
        """A write that changes nothing. Raises as `write`."""
        self.write(lambda _: None)

    def _drop(self) -> None:
        close(self._link)
        self._link, self._unsure = None, True
        self._claim.look()

    def close(self) -> None:
        close(self._link)
        self._link = None
