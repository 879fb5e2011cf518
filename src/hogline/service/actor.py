"""Who is asking. The console, the API, the socket and the commands set it; the audit log reads it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct

from hogline.store.audit import ActorKind
from hogline.store.datadir.roles import Role


class Actor(Struct, frozen=True, kw_only=True):
    name: str
    """The name of an account, an API token, or the system user who ran a command."""
    kind: ActorKind
    role: Role
    address: str = ""
    """Where the request came from; empty: this machine's command line."""


def system_user(uid: int | None = None) -> Actor:
    """The system user who runs a command (None: this process's user). Anyone who may use the data directory may do
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
    """Who is asking; Hogline itself if nobody is."""
    return _acting.get()


@contextmanager
def acting(who: Actor) -> Iterator[None]:
    """Everything within the context is done for them."""
    token = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(token)
