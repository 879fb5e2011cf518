"""What one event costs by what it says, in microseconds of CPU of `hogline send`, with few and with many of its kind.

Each kind is a file of events, sent to a sandbox after those that have to come before. The start of the command is not
included. If many cost more each than few, something in Hogline looks at all of them for each of them.
`KIND=visitor` takes those whose name has this word.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from statistics import median
from types import MappingProxyType

import msgspec
from msgspec import Struct

from bench.processes import run, sandbox
from bench.traffic import START_MS
from hogline.posthog import uuid7

FEW, MANY, STARTS = 4_000, 16_000, 3
Event = dict[str, object]


class Kind(Struct, frozen=True):
    name: str
    events: Callable[[int], Iterable[Event]]
    """The measured ones: so many."""
    before: Callable[[int], Iterable[Event]] = lambda _: ()
    options: tuple[str, ...] = ()


_TIMES_MS = count(START_MS, 50)


def _event(number: int, name: str, who: str, properties: Mapping[str, object] = MappingProxyType({})) -> Event:
    return {
        "event": name,
        "distinct_id": who,
        "timestamp": next(_TIMES_MS),
        "properties": {"$current_url": "https://shop.example/p/1", "$lib": "web", "n": number, **properties},
    }


_VISITORS = [uuid7(START_MS + number * 50) for number in range(MANY)]
"""As posthog-js makes them, in order of time."""


def _visits(many: int) -> Iterator[Event]:
    return (_event(number, "$pageview", _VISITORS[number]) for number in range(many))


def _users(many: int) -> Iterator[Event]:
    return (_event(n, "$identify", f"user-{n}", {"$set": {"email": f"user-{n}@shop.example"}}) for n in range(many))


def _sign_ins(many: int) -> Iterator[Event]:
    for number in range(many):
        said = {"$anon_distinct_id": _VISITORS[number], "$set": {"email": f"user-{number}@shop.example"}}
        yield _event(number, "$identify", f"user-{number}", said)


def _pages(many: int, who: str, properties: Mapping[str, object] = MappingProxyType({})) -> Iterator[Event]:
    return (_event(number, "page", who.format(number), properties) for number in range(many))


def _sets(many: int, name: str, value: str, who: str = "user-{}") -> Iterator[Event]:
    return (_event(n, "page", who.format(n), {"$set": {name: value.format(n)}}) for n in range(many))


def _aliases(many: int) -> Iterator[Event]:
    return (_event(n, "$create_alias", f"user-{n}", {"alias": f"other-{n}"}) for n in range(many))


def _both(many: int) -> Iterator[Event]:
    for number in range(many):
        yield _event(number, "page", f"user-{number}")
        yield _event(number, "page", f"other-{number}")


def _chain(many: int) -> Iterator[Event]:
    return (_event(n, "$create_alias", f"link-{n}", {"alias": f"link-{n + 1}"}) for n in range(many))


_COMPANY = {"$groups": {"company": "acme"}}
KINDS = (
    Kind("a page of someone new", _visits),
    Kind("a page of a customer", lambda many: _pages(many, "user-{}"), _users),
    Kind("a page of always the same", lambda many: _pages(many, "user-1"), _users),
    Kind("a new attribute", lambda many: _sets(many, "plan", "{}"), _users),
    Kind("a new email", lambda many: _sets(many, "email", "new-{}@shop.example"), _users),
    Kind("a user with an email", _users),
    Kind("a visitor who signs in", _sign_ins, _visits),
    Kind("the same, by email", _sign_ins, _visits, ("--identify-by=email",)),
    Kind("the same, identified only", _sign_ins, _visits, ("--anonymous-users=identified",)),
    Kind("the same, with held events", _sign_ins, _visits, ("--anonymous-users=identified", "--hold-days=30")),
    Kind("two customers who are joined", _aliases, _both),
    Kind("a chain of joined ids", _chain),
    Kind("everyone has one email", lambda many: _sets(many, "email", "team@shop.example"), _users),
    Kind("one id with all emails", lambda many: _sets(many, "email", "a{}@shop.example", "server")),
    Kind("a group", lambda many: _pages(many, "user-{}", _COMPANY), _users, ("--group-objects=company=1",)),
)


def main() -> None:
    chosen = [kind for kind in KINDS if os.environ.get("KIND", "") in kind.name]
    print(f"CPU of `hogline send` for one event, in µs: {FEW:,} of a kind, and {MANY:,}")
    with tempfile.TemporaryDirectory() as folder:
        start_s = median(_cpu_s(Path(folder) / f"start-{number}", KINDS[0], 1) for number in range(STARTS))
        for number, kind in enumerate(chosen):
            few_us, many_us = (
                (_cpu_s(Path(folder) / f"{number}-{many}", kind, many) - start_s) / many * 1e6 for many in (FEW, MANY)
            )
            print(f"  {kind.name:32} {few_us:6.0f} {many_us:6.0f}   {many_us / few_us:5.2f} times", flush=True)


def _cpu_s(folder: Path, kind: Kind, many: int) -> float:
    folder.mkdir()
    data = folder / "data"
    with sandbox() as url:
        run(
            data, "connect", "customerio", "--site-id=sandbox-site", "--api-key=sandbox-key",
            f"--tracking-endpoint={url}", *kind.options,
        )  # fmt: skip
        _send(data, folder / "before.jsonl", kind.before(many))
        return _send(data, folder / "events.jsonl", kind.events(many))


def _send(data: Path, file: Path, events: Iterable[Event]) -> float:
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return run(data, "send", "--json", str(file)).cpu_s if file.stat().st_size else 0.0
