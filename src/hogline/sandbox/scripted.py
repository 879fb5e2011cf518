"""Runs a script: how a request is answered, when, and whether it still takes effect.

Knows neither Customer.io nor Engage: what a request means, and what an error looks like, is handed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from hogline.sandbox import wire
from hogline.sandbox.replies import JSON, SandboxReply
from hogline.sandbox.script import Director, ScriptedAnswer

_AS_USUAL = ScriptedAnswer()


class Exchange(Protocol):
    """One request that may be answered by a script."""

    path: str
    delivers: bool
    """Whether it carries what is delivered; only such requests are limited and delayed."""

    def answer(self, refuse: Sequence[str]) -> SandboxReply:
        """Let it take effect, and say what is usual. What bears one of these names is refused."""
        ...

    def operations(self) -> int:
        """How many it holds, without letting them take effect."""
        ...

    def error(self, status: int) -> SandboxReply:
        """What this status usually looks like."""
        ...

    def note(self, answer: SandboxReply) -> None:
        """Remember what was answered."""
        ...


async def carry_out(
    director: Director, exchange: Exchange, *, scope: Scope, receive: Receive, send: Send, stopping: asyncio.Event
) -> None:
    """Answer one request as the script says, or as usual if it says nothing. `stopping`: nothing waits any longer."""
    if exchange.delivers and director.exceeds_rate(time.monotonic()):
        too_many = exchange.error(429)
        too_many = msgspec.structs.replace(too_many, headers=(*too_many.headers, ("retry-after", "1")))
        exchange.note(too_many)
        await wire.respond(send, too_many)
        return
    latency_s = director.script.latency_ms / 1000 if exchange.delivers else 0.0
    scripted = director.next_answer(exchange.path, delivers=exchange.delivers) or _AS_USUAL
    answer = _answer(scripted, exchange)
    exchange.note(answer)
    if silent_s := latency_s + scripted.hang_s:
        await wire.pause(silent_s, stopping)
    if scripted.reset is not None:
        await wire.cut(scope, receive)
    elif scripted.drip_s:
        await wire.drip(send, answer, scripted.drip_s, stopping)
    else:
        await wire.respond(send, answer)


def _answer(scripted: ScriptedAnswer, exchange: Exchange) -> SandboxReply:
    if scripted.takes_effect():
        answer = exchange.answer(scripted.refuse_names)
    else:
        answer = SandboxReply(503, operations=exchange.operations())
    if scripted.status is not None:
        answer = _in_place_of(answer, scripted, scripted.status, exchange.error(scripted.status).body)
    if scripted.reset is not None:
        answer = msgspec.structs.replace(answer, status=0)
    return answer


def _in_place_of(usual: SandboxReply, scripted: ScriptedAnswer, status: int, error: bytes) -> SandboxReply:
    """The scripted answer in place of the usual one, whose counts stay."""
    headers = {"content-type": JSON} | {name.lower(): value for name, value in scripted.headers.items()}
    headers.pop("content-length", None)
    headers.pop("transfer-encoding", None)
    if status in {204, 304}:
        body = b""
    elif isinstance(scripted.body, str):
        body = scripted.body.encode()
    elif scripted.body is not None:
        body = msgspec.json.encode(scripted.body)
    else:
        body = b"{}" if status < 400 else error
    return SandboxReply(status, body, tuple(headers.items()), usual.operations, usual.refused)
