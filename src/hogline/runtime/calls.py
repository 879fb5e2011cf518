"""The functions of the service of the process that owns a shared store, for commands and pages on any machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from hogline.runtime.remote import MAY_BE_DONE, Call, Remote, Reply, perform
from hogline.service import CannotDo, Service
from hogline.service.actor import Actor
from hogline.service.rights import permitted
from hogline.store.base import Unwritable
from hogline.store.shared import Answers, Asks, NoAnswer, NobodyOwns
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.control")

AGAIN_S = 1.0
LONGEST_BYTES = 64_000_000
NOBODY = "No process delivers now. Start `hogline serve`, or `hogline serve --only deliver`."
ENDED = f"The process that delivers stopped responding. {MAY_BE_DONE}"


class _Asked(Struct):
    who: Actor
    call: msgspec.Raw


@asynccontextmanager
async def answering(service: Service, answers: Answers) -> AsyncIterator[None]:
    """Answer what others ask, until the context ends; unfinished calls are cancelled then."""
    calls: set[asyncio.Task[None]] = set()

    async def look() -> None:
        while True:
            try:
                for task, request in await answers.next():
                    call = asyncio.create_task(_answer(service, answers, task, request))
                    calls.add(call)
                    call.add_done_callback(calls.discard)
            except Exception as error:
                # Without looking, everybody who asks would wait for nothing: the next turn has to come.
                log.error("calls cannot be read", error=kind_and_place(error))  # noqa: TRY400  # as in `perform`
                await asyncio.sleep(AGAIN_S)

    looking = asyncio.create_task(look(), name="tasks")
    try:
        yield
    finally:
        looking.cancel()
        for call in calls:
            call.cancel()
        await asyncio.gather(looking, *calls, return_exceptions=True)


async def _answer(service: Service, answers: Answers, task: UUID, request: bytes) -> None:
    """The asker is told something, whatever happens here."""
    try:
        await answers.answer(task, msgspec.json.encode(await _reply(service, request)))
    except Exception as error:
        kind = type(error).__name__
        log.error("a call was not answered", error=kind_and_place(error))  # noqa: TRY400  # as in `perform`
        failed = Reply(cannot_do=f"Internal error in the process that delivers ({kind}). {MAY_BE_DONE}")
        with suppress(Exception):
            await answers.answer(task, msgspec.json.encode(failed))


async def _reply(service: Service, request: bytes) -> Reply:
    try:
        asked = msgspec.json.decode(request, type=_Asked)
    except msgspec.MsgspecError as error:
        log.warning("a call was not understood", error=type(error).__name__)
        return Reply(cannot_do="The process that delivers did not understand this. Is it a different version?")
    return await perform(permitted(service, asked.who), asked.call)


class _Caller(Remote):
    def __init__(self, asks: Asks, who: Callable[[], Actor]) -> None:
        self._asks = asks
        self._who = who

    async def ask(self, function: str, arguments: dict[str, msgspec.Raw]) -> Reply:
        call = msgspec.json.encode(Call(0, function, arguments))
        if len(call) > LONGEST_BYTES:
            raise CannotDo("The request is too large. Use a smaller file.")
        request = msgspec.json.encode(_Asked(self._who(), msgspec.Raw(call)))
        try:
            return msgspec.json.decode(await self._asks.ask(request), type=Reply)
        except NobodyOwns:
            raise Unwritable(NOBODY) from None
        except NoAnswer:
            raise Unwritable(ENDED) from None


def owner_of(asks: Asks, who: Callable[[], Actor]) -> Service:
    """The service of the process that owns the store. `who`: in whose name it is asked."""
    return cast("Service", _Caller(asks, who))
