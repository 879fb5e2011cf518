"""A connection for reading, which is replaced when it breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

from hogline.store.base import Unwritable
from hogline.store.postgresql.link import Link, Row, Values, close, connect
from hogline.store.postgresql.trouble import AWAY, Late, sentence_of, trouble_of


class Reading:
    """A connection for reading, used by one thread at a time. It is opened when it is needed.

    `reopens_itself`: if it is broken, the next call opens another. Otherwise, calls immediately raise `Unwritable`,
    until someone else has called `reopen`: for the event loop, which must not wait for a connection.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        within_s: float,
        reopens_itself: bool,
        broken: Callable[[], None] = lambda: None,
        opened: Callable[[Link], None] = lambda _: None,
    ) -> None:
        """`broken` is called whenever it just broke, `opened` with each new connection."""
        self._url, self._name, self._within_s = url, name, within_s
        self._reopens_itself, self._broken, self._opened = reopens_itself, broken, opened
        self._link: Link | None = None
        self._opening = threading.Lock()
        self._closed = False

    def reopen(self) -> None:
        """Open it if it is not. Raises `psycopg.Error`."""
        with self._opening:
            if self._link is None and not self._closed:
                self._link = connect(self._url, self._name, self._within_s)
                self._opened(self._link)

    def renew(self) -> None:
        """Replace the connection: PostgreSQL was away. Raises `psycopg.Error`."""
        with self._opening:
            link, self._link = self._link, None
        close(link)
        self.reopen()

    def rows(self, query: bytes, values: Values | None = None) -> list[Row]:
        """All rows. Raises `Unwritable` if PostgreSQL is away or in trouble. If it reopens itself, a connection that
        broke while nobody used it is replaced.
        """
        was_open = self._link is not None
        try:
            return self._rows(query, values)
        except psycopg.OperationalError as error:
            if not (was_open and self._reopens_itself):
                raise Unwritable(sentence_of(error)) from None
        try:
            return self._rows(query, values)
        except psycopg.OperationalError as error:
            raise Unwritable(sentence_of(error)) from None

    def _rows(self, query: bytes, values: Values | None) -> list[Row]:
        """Raises `psycopg.OperationalError` if the connection was gone, and `Unwritable`."""
        try:
            if self._link is None and self._reopens_itself:
                self.reopen()
            link = self._link
            if link is None:
                raise Unwritable(AWAY)
            return link.execute(query, values, binary=True).fetchall()
        except psycopg.errors.UndefinedTable:  # a part of the event log may just have been dropped
            raise
        except psycopg.Error as error:
            if (sentence := trouble_of(error)) is None:
                raise
            if self._link is not None:
                was_closed = self._link.closed
                self._break()
                if was_closed and isinstance(error, psycopg.OperationalError) and not isinstance(error, Late):
                    raise
            raise Unwritable(sentence) from None

    def _break(self) -> None:
        link, self._link = self._link, None
        close(link)
        self._broken()

    def close(self) -> None:
        with self._opening:
            self._closed = True
            link, self._link = self._link, None
        close(link)
