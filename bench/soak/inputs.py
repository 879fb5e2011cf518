"""Generated bodies against the receiving app: whatever arrives, no 5xx, no exception, bounded memory.

Half are mutations of real bodies (the samples, in every encoding that PostHog's SDKs use), half are made of nothing:
JSON of any shape under the names that mean something, and plain bytes. Nothing is kept.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus

import structlog
from msgspec import Struct

from bench.soak.outage import resident_bytes
from hogline.posthog.entry import decode_event
from hogline.sources.http import create_app
from hogline.sources.tokens import TokenCheck

TOKEN = "phc_sample"  # noqa: S105  # what the samples carry
SAMPLES = Path(__file__).parents[2] / "samples"
PATHS = (
    "/webhook",
    f"/webhook/{TOKEN}",
    "/i/v0/e/",
    "/i/v1/analytics/events",
    "/e",
    "/track",
    "/engage/",
    "/capture",
    "/batch/",
    "/flags/",
)
QUERIES = (
    "",
    "compression=gzip-js",
    "compression=lz64",
    "data=",
    "ip=1&_=1793000000&ver=1.297.2",
    "=&&=%ff",
    "sent_at=x",
)
NAMES = (
    "event", "uuid", "distinct_id", "$distinct_id", "properties", "timestamp", "offset", "sent_at", "batch", "token",
    "api_key", "$token", "person", "person_properties", "person_mode", "team_id", "$set", "$set_once", "$unset",
    "elements_chain", "url", "$anon_distinct_id", "alias", "email", "created_at",
    "$process_person_profile", "historical_migration",
)  # fmt: skip
VALUES = (
    "null", "true", "false", "0", "-1", "1e400", "-1e-400", "NaN", "Infinity", str(2**63), str(2**64), "0.1",
    '""', '" "', '"."', '".."', '"a/b"', '"?#"', '"a\\r\\nb"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"',
    '"2026-11-01T10:00:00Z"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:60Z"', '"tomorrow"', "[]", "{}",
    "[null]", "[[[[[[]]]]]]", '{"a":1,"a":2}', '"0199f3a0-0000-7000-8000-000000000001"', '"not-a-uuid"',
    '"$identify"', '"$create_alias"', '"clicked"', '"user-1"', '{"email":"a@b.example"}', f'"{TOKEN}"',
)  # fmt: skip
LARGE_VALUES = ("[" * 2_000 + "]" * 2_000, '{"a":' * 600 + "1" + "}" * 600, "9" * 5_000, '"' + "x" * 3_000 + '"')
FORM = "application/x-www-form-urlencoded"
CONTENT_TYPES = ("application/json", "text/plain", FORM, "multipart/form-data", "\xff")
BYTES = b'{}[]",:\\0aue+-.%=&\x00\x1f\x8b\xff\xed\xa0\x80\n'


class Figures(Struct, kw_only=True):
    bodies: int
    answers: dict[int, int]
    kept: int
    mistakes: list[str]
    """A 5xx or an exception: how to make the body again, and the kind of mistake."""
    memory_growth_bytes: int
    """Of the process, from a tenth of the bodies to the last."""


class Kept:
    """In place of the journal: what it is given can be read again, and is forgotten."""

    def __init__(self) -> None:
        self.events = 0

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:  # noqa: ARG002  # as the journal's
        for event in events:
            decode_event(event)
        self.events += len(events)
        return self.events


Ask = tuple[str, str, str, dict[str, str], bytes]
"""Method, path, query, headers, body."""


class Bodies:
    """The same seed gives the same requests."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._samples = [line for file in sorted(SAMPLES.glob("*.jsonl")) for line in file.read_bytes().splitlines()]
        self._mutations: tuple[Callable[[bytes], bytes], ...] = (
            self._flipped, self._cut, self._doubled, self._spliced, *[self._replaced_value] * 8,
        )  # fmt: skip

    def next(self) -> Ask:
        random = self._random
        body = self._mutated() if random.random() < 0.5 else self._made()
        if random.random() < 0.1:
            body = b"[" + b",".join([body] * random.randrange(5)) + b"]"
        body, headers, query = self._encoded(body)
        if random.random() < 0.1:
            body = self._flipped(body)
        path = random.choice(PATHS) if random.random() < 0.7 else f"/webhook/{TOKEN}"
        if path == "/webhook":
            headers["authorization"] = random.choice((f"Bearer {TOKEN}", "Bearer", "Basic x"))
        if random.random() < 0.1:
            query = random.choice(QUERIES)
        if random.random() < 0.03:
            return "GET", path, "data=" + quote(body[:2_000]), headers, b""
        return "POST", path, query, headers, body

    def _mutated(self) -> bytes:
        body = self._random.choice(self._samples)
        for _ in range(self._random.randrange(4)):
            body = self._random.choice(self._mutations)(body)
        return body

    def _flipped(self, body: bytes) -> bytes:
        changed = bytearray(body)
        for _ in range(self._random.randrange(1, 6) if body else 0):
            changed[self._random.randrange(len(changed))] = self._random.choice(BYTES)
        return bytes(changed)

    def _cut(self, body: bytes) -> bytes:
        return body[: self._random.randrange(len(body) + 1)]

    def _doubled(self, body: bytes) -> bytes:
        begin = self._random.randrange(len(body) + 1)
        end = self._random.randrange(begin, len(body) + 1)
        return body[:end] + body[begin:end] + body[end:]

    def _spliced(self, body: bytes) -> bytes:
        other = self._random.choice(self._samples)
        return body[: self._random.randrange(len(body) + 1)] + other[self._random.randrange(len(other)) :]

    def _replaced_value(self, body: bytes) -> bytes:
        """One value of the JSON, wherever it stands, is another, or has another name."""
        try:
            tree = json.loads(body)
        except (ValueError, RecursionError):
            return self._flipped(body)
        if not isinstance(tree, dict) or not tree:
            return body
        node: dict[str, Any] = tree
        while True:
            name = self._random.choice(list(node))
            inner = node[name]
            if not isinstance(inner, dict) or not inner or self._random.random() < 0.3:
                break
            node = inner
        if self._random.random() < 0.3:
            node[self._random.choice(NAMES)] = node.pop(name)
            name = next(reversed(node))
        node[name] = "\x01here"
        return json.dumps(tree).replace('"\\u0001here"', self._any_value(), 1).encode("utf-8", "surrogatepass")

    def _made(self) -> bytes:
        if self._random.random() < 0.1:
            return bytes(self._random.choice(BYTES) for _ in range(self._random.randrange(60)))
        return self._object(0).encode("utf-8", "surrogatepass")

    def _object(self, depth: int) -> str:
        fields = [f'"{name}":{self._value(depth)}' for name in self._random.sample(NAMES, self._random.randrange(9))]
        if not depth and self._random.random() < 0.8:
            fields += [f'"api_key":"{TOKEN}"', '"event":"clicked"', '"distinct_id":"user-1"']
            self._random.shuffle(fields)
        return "{" + ",".join(fields) + "}"

    def _value(self, depth: int) -> str:
        chance = self._random.random()
        if depth < 4 and chance < 0.3:
            return self._object(depth + 1)
        if depth < 4 and chance < 0.4:
            return "[" + ",".join(self._value(depth + 1) for _ in range(self._random.randrange(4))) + "]"
        return self._any_value()

    def _any_value(self) -> str:
        return self._random.choice(VALUES if self._random.random() < 0.99 else LARGE_VALUES)

    def _encoded(self, body: bytes) -> tuple[bytes, dict[str, str], str]:
        random = self._random
        headers = {"content-type": random.choice(CONTENT_TYPES)}
        query = ""
        match random.randrange(14):
            case 0:
                body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
            case 1:
                body, query = gzip.compress(body, 1), "compression=gzip-js"
            case 2:
                body, headers["content-encoding"] = gzip.compress(gzip.compress(body, 1), 1), "gzip"
            case 3:
                body, headers["content-type"] = b"data=" + quote_plus(base64.b64encode(body)).encode(), FORM
            case 4:
                body, headers["content-type"] = b"data=" + quote(body).encode() + b"&compression=none", FORM
            case 5:
                body = base64.b64encode(body)
            case 6:
                headers["content-encoding"] = random.choice(("deflate", "br", "gzip", "zstd", ""))
        return body, headers, query


async def _ask(app: Any, ask: Ask) -> int:  # noqa: ANN401  # an ASGI application
    """The status of the answer; whatever the app raises is raised."""
    method, path, query, headers, body = ask
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401  # as above
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode("latin-1", "replace"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


async def _nothing_wrong() -> list[str]:
    return []


async def inputs(bodies: int, seed: int) -> Figures:
    kept, source, answers, memory = Kept(), Bodies(seed), Counter[int](), 0
    app = create_app(kept, TokenCheck([TOKEN]), _nothing_wrong, lambda: 1_793_527_200_000)
    mistakes: list[str] = []
    for number in range(bodies):
        ask = source.next()
        try:
            status = await _ask(app, ask)
        except Exception as error:  # any at all is what is looked for
            mistakes.append(f"body {number} of seed {seed}, {ask[1]}: {type(error).__name__}")
            continue
        answers[status] += 1
        if not 200 <= status < 500:
            mistakes.append(f"body {number} of seed {seed}, {ask[1]}: {status}")
        if number == bodies // 10:
            memory = resident_bytes()
    return Figures(
        bodies=bodies,
        answers=dict(sorted(answers.items())),
        kept=kept.events,
        mistakes=mistakes,
        memory_growth_bytes=resident_bytes() - memory,
    )


def print_figures(_: Path, seed: int, part: float = 1.0) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = asyncio.run(inputs(int(1_000_000 * part), seed))
    print(f"  {found.bodies:,} bodies, {found.kept:,} events in them kept")
    print("  answers: " + ", ".join(f"{status}: {n:,}" for status, n in found.answers.items()))
    print(f"  memory at the end less at a tenth: {found.memory_growth_bytes / 1e6:+.1f} MB")
    for mistake in found.mistakes[:20]:
        print(f"  {mistake}")
    if found.mistakes:
        sys.exit("Some got a 5xx or an exception.")
