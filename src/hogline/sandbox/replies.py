"""What the Track API says, as values, and the error bodies in their documented forms. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from msgspec import Struct

from hogline.sandbox.limits import Problem

JSON = "application/json; charset=utf-8"

_encode = msgspec.json.Encoder().encode


class SandboxReply(Struct, gc=False):
    """What the sandbox says to one request. (What a destination makes of a response is a `model.Answer`.)"""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (("content-type", JSON),)
    operations: int = 0
    """How many the request held, as far as it could be read."""
    refused: int = 0


def refused_whole(problem: Problem, operations: int = 1) -> SandboxReply:
    """v2's 400: nothing of the request was accepted."""
    return SandboxReply(400, _encode({"errors": [_error(problem)]}), operations=operations, refused=operations)


def refused_in_part(problems: Iterable[tuple[int, Problem]], operations: int) -> SandboxReply:
    """v2's 207: what is listed was refused, all else was accepted. 200 if nothing is listed."""
    errors = [{"batch_index": index, **_error(problem)} for index, problem in problems]
    if not errors:
        return SandboxReply(200, operations=operations)
    return SandboxReply(207, _encode({"errors": errors}), operations=operations, refused=len(errors))


def refused_v1(problem: Problem) -> SandboxReply:
    """v1's 400, which has sentences only."""
    return SandboxReply(400, _encode({"meta": {"errors": [problem.message]}}), operations=1, refused=1)


def meta_error(status: int, sentence: str | None = None) -> SandboxReply:
    """The form of everything that is not about an operation: credentials, routes, scripted failures."""
    return SandboxReply(status, _encode({"meta": {"error": sentence or phrase(status)}}))


UNAUTHORIZED = meta_error(401, "Unauthorized request")


def as_json(value: object, status: int = 200) -> SandboxReply:
    return SandboxReply(status, _encode(value))


def _error(problem: Problem) -> dict[str, str]:
    return {"reason": problem.reason, "field": problem.field, "message": problem.message}


def phrase(status: int) -> str:
    """What HTTP calls the status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
