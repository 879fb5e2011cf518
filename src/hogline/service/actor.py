"""Who asks: set by whoever takes a question in (the console, the API, the socket, a command), read by what notes it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct

from hogline.store.audit import Kind
from hogline.store.datadir.roles import Role


class Actor(Struct, frozen=True, kw_only=True):
    name: str
    """Of an account, of an API token, or of the system user who gave a command."""
    kind: Kind
    role: Role
    address: str = ""
    """Where the question came from; empty: this machine's command line."""


def system_user(uid: int | None = None) -> Actor:
    """The user of this machine who gives a command (None: of this process). Whoever may use the data directory may do
    everything.
    """
    number = os.getuid() if uid is None else uid
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user without a name
        name = f"uid {number}"
    return Actor(name=name, kind="system", role="admin")


_HOGLINE = Actor(name="hogline", kind="system", role="admin")
_acting: ContextVar[Actor] = ContextVar("acting", default=_HOGLINE)


def actor() -> Actor:
    """Whose question is being answered; Hogline itself, if nobody asked."""
    return _acting.get()


@contextmanager
def acting(who: Actor) -> Iterator[None]:
    """What is done within is done for them."""
    token = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(token)
