"""The Customer.io destination: events and people by its Track API.

`CUSTOMERIO` is what others use; the modules beside it each know one part (who is sent, what is learned, how
it is written, what an answer means).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from hogline import __version__
from hogline.destinations.base import Check, Destination, Importer, Limits, Option, Send
from hogline.destinations.customerio.answers import read_answer
from hogline.destinations.customerio.check import check
from hogline.destinations.customerio.gate import not_sent
from hogline.destinations.customerio.limits import IDENTIFIER_BYTES, REQUEST_BYTES, too_long
from hogline.destinations.customerio.old_app import OLD_APP
from hogline.destinations.customerio.operations import parts, remove
from hogline.destinations.customerio.options import OPTIONS, Options, read_options
from hogline.destinations.customerio.plan import due, forget, plan
from hogline.model import Answer, Event, Identifier, Operation, Person, Plan, Refusal, Request, Response

__all__ = ["CUSTOMERIO", "Options"]

_BEFORE, _AFTER = b'{"batch":[', b"]}"


class _CustomerIo:
    def __init__(self) -> None:
        self.key = "customerio"
        self.title = "Customer.io"
        self.summary = "Events and people become events and customers in Customer.io."
        self.options: tuple[Option, ...] = OPTIONS
        self.cannot_forget = ""
        self.imports: Mapping[str, Importer] = {"from_app": OLD_APP}
        # Customer.io names no limit of operations: a request is full by its bytes long before this.
        self.limits = Limits(REQUEST_BYTES, operations=10_000, envelope_bytes=len(_BEFORE + _AFTER))

    def read_options(self, values: Mapping[str, object]) -> Options:
        return read_options(values)

    def base_url(self, options: Options) -> str:
        return options.base_url

    def requests_per_second(self, options: Options) -> int:
        return options.requests_per_second

    def plan(self, event: Event, person: Person | None, options: Options, other: Person | None = None) -> Plan:
        return plan(event, person, options, other)

    def due(self, person: Person, options: Options) -> Plan:
        return due(person, options)

    def parts(self, operation: Operation, refusal: Refusal) -> Sequence[Operation]:
        return parts(operation, refusal)

    def forget(self, person: Person, options: Options, *, suppress: bool) -> Sequence[Operation]:
        return forget(person, options, suppress=suppress)

    def suppress(self, who: Identifier, options: Options, *, lift: bool) -> Sequence[Operation]:  # noqa: ARG002
        action: Literal["suppress", "unsuppress"] = "unsuppress" if lift else "suppress"
        return () if too_long(who.value, IDENTIFIER_BYTES) else (remove(who, action),)

    def hold_days(self, options: Options) -> int:
        return options.hold_days

    def not_sent(self, person: Person, options: Options) -> str | None:
        return not_sent(person, options)

    def request(self, operations: Sequence[Operation], options: Options) -> Request:
        path = operations[0].path
        if path is None:
            path = "/api/v2/batch"
            body = _BEFORE + b",".join([operation.body for operation in operations]) + _AFTER
        else:
            body = operations[0].body
        return Request("POST", options.base_url + path, _headers(options), body)

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        return read_answer(operations, response, now_s)

    async def check(self, options: Options, send: Send) -> Check:
        return await check(options, send)


def _headers(options: Options) -> dict[str, str]:
    return {
        "authorization": options.authorization,
        "content-type": "application/json",
        "user-agent": f"hogline/{__version__}",
    }


CUSTOMERIO: Destination[Options] = _CustomerIo()
