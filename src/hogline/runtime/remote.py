"""The functions of the service of another process: a call, what is done there, and the reply, all as JSON.

The functions' type annotations define the values. Knows nothing about what the functions do, and not how calls travel.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec import Struct

from hogline.service import CannotDo, Service
from hogline.service.rights import Forbidden, least_role
from hogline.store.base import Unusable, Unwritable

log = structlog.get_logger("hogline.control")

MAY_BE_DONE = "What you asked for may have been done: check before you try again."
"""Of a call without a reply."""


class Call(Struct):
    number: int
    function: str
    arguments: dict[str, msgspec.Raw]


class Reply(Struct, omit_defaults=True):
    number: int = 0
    """The call's number: a cancelled caller leaves its answer unread. 0: the call could not be read."""
    result: msgspec.Raw = msgspec.Raw(b"null")
    cannot_do: str | None = None


class _Function(NamedTuple):
    signature: inspect.Signature
    types: dict[str, Any]
    """Of its arguments, and of its result under `return`."""


@cache
def function_named(name: str) -> _Function | None:
    """A function of the service, as `part.function`; None if it may not be called."""
    if least_role(name) is None:
        return None
    part, _, function = name.partition(".")
    method = getattr(typing.get_type_hints(Service)[part], function)
    return _Function(inspect.signature(method), typing.get_type_hints(method))


async def perform(service: Service, line: bytes) -> Reply:
    number = 0
    try:
        call = msgspec.json.decode(line, type=Call)
        number, function = call.number, function_named(call.function)
        if function is None:
            return Reply(number, cannot_do="The running Hogline does not know this command. Is it a different version?")
        arguments = {name: msgspec.json.decode(raw, type=function.types[name]) for name, raw in call.arguments.items()}
        function.signature.bind(service, **arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError) as error:
        log.warning("a call was not understood", error=type(error).__name__)
        return Reply(
            number, cannot_do="The running Hogline did not understand this command. Is it a different version?"
        )
    try:
        result = await attrgetter(call.function)(service)(**arguments)
        return Reply(number, msgspec.Raw(msgspec.json.encode(result)))
    except (CannotDo, Forbidden, Unwritable, Unusable) as error:
        return Reply(number, cannot_do=str(error))
    except Exception as error:
        # An internal error. Its text may quote an event, so the caller only learns its type.
        log.error("a command failed", function=call.function, error=type(error).__name__)  # noqa: TRY400  # as above
        return Reply(
            number,
            cannot_do=f"Internal error in the running Hogline ({type(error).__name__}). Its log has the details.",
        )


class Remote:
    """Looks like a `Service`; every function of its parts is a call."""

    def __getattr__(self, part: str) -> _RemotePart:
        if part not in typing.get_type_hints(Service):
            raise AttributeError(part)
        return _RemotePart(part, self.ask)

    async def ask(self, function: str, arguments: dict[str, msgspec.Raw]) -> Reply:
        """Raises `CannotDo`."""
        raise NotImplementedError


class _RemotePart:
    def __init__(self, name: str, ask: Callable[[str, dict[str, msgspec.Raw]], Awaitable[Reply]]) -> None:
        self._name = name
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        full_name = f"{self._name}.{name}"
        function = function_named(full_name)
        if function is None:
            raise AttributeError(name)

        async def call(*positional: object, **named: object) -> object:
            given = function.signature.bind(self, *positional, **named).arguments
            del given["self"]
            arguments = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in given.items()}
            answer = await self._ask(full_name, arguments)
            if answer.cannot_do is not None:
                raise CannotDo(answer.cannot_do)
            return msgspec.json.decode(answer.result, type=function.types["return"])

        return call


def is_remote(service: Service) -> bool:
    """Whether it is the service of another process."""
    return isinstance(service, Remote)
