"""What a store is to the suite, and the words that its tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hogline.core.changes import Failure, Flush
from hogline.core.known import Fact, Id, Person
from hogline.core.told import Customer, Told
from hogline.model import Event, Refusal
from hogline.posthog.entry import encode_event
from hogline.store.base import Connection, Journal, State

NOW_MS = 1_793_527_200_000


class Store(Protocol):
    """One installation, empty at first. Whatever is opened later finds what was kept before."""

    now_ms: int
    """The time of its journal's clock."""

    async def journal(self) -> Journal: ...

    async def state(self) -> State: ...

    async def kept(self) -> bytes:
        """Everything that anyone who has its files or its database can read. `files_in` reads a folder."""
        ...


def files_in(folder: Path) -> bytes:
    """All files of a folder, one after the other."""
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def body(number: int) -> bytes:
    """An event as the journal keeps it; its name has the number."""
    return encode_event(
        Event(
            uuid=f"0199f3a0-0000-7000-8000-{number:012d}",
            name=f"event {number}",
            distinct_id=f"user {number % 7}",
            timestamp_ms=NOW_MS + number,
            received_ms=NOW_MS,
            properties={"n": number},
        )
    )


def letter(position: int, reason: str = "invalid", **fields: object) -> Failure:
    values: dict[str, object] = {
        "position": position,
        "uuid": f"0199f3a0-0000-7000-8000-{position:012d}",
        "event": body(position),
        "refusals": (Refusal(reason, f"It is {reason}.", "name", b'{"type":"person"}'),),
        "at_ms": NOW_MS,
    }
    return Failure(**(values | fields))  # type: ignore[arg-type]


def known(who: str = "u1", email: str | None = None, **facts: object) -> Person:
    """What PostHog says of somebody."""
    said = facts if email is None else {"email": email, **facts}
    return Person(who, {name: Fact(value, NOW_MS, 1) for name, value in said.items()})


async def learn(state: State, *people: Person, **ids: Id) -> None:
    """As the folder writes what is known of people, and which ids were joined."""
    await state.flush(Flush(ids, {one.id: one for one in people}, 1))


def told(who: str = "u1", **fields: object) -> Told:
    """What a connection told about a customer with this id."""
    return Told(Customer("id", who, "accepted"), **fields)  # type: ignore[arg-type]  # as the tests say


async def installed(state: State, name: str = "customerio", **fields: object) -> Connection:
    """A connection, as `connect` installs it."""
    values: dict[str, object] = {
        "destination": "customerio",
        "options": {"site_id": "site", "api_key": "key"},
        "paused": False,
        "start": 0,
        "now_ms": NOW_MS,
    }
    return await state.add_connection(name=name, **(values | fields))  # type: ignore[arg-type]
