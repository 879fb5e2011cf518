"""The Customer.io destination: events and people through its Track API.

Other modules use `CUSTOMERIO`. Each module in this folder knows one part (people, operations, responses, …).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hogline.destinations.base import Check, Destination, Importer, Limits, Option, Reason, Send, Written
from hogline.destinations.customerio.answers import read_answer
from hogline.destinations.customerio.check import check
from hogline.destinations.customerio.declared import OPTIONS
from hogline.destinations.customerio.limits import REQUEST_BYTES
from hogline.destinations.customerio.old_app import OLD_APP
from hogline.destinations.customerio.options import Options, read_options
from hogline.destinations.customerio.people import CustomerIoPeople
from hogline.destinations.customerio.reasons import REASONS
from hogline.destinations.customerio.template import TEMPLATE
from hogline.destinations.forwarding import json_headers
from hogline.model import Answer, Operation, Request, Response
from hogline.posthog.entry import Entry

__all__ = ["CUSTOMERIO", "Options"]

_BEFORE, _AFTER = b'{"batch":[', b"]}"


class _CustomerIo:
    def __init__(self) -> None:
        self.key = "customerio"
        self.title = "Customer.io"
        self.summary = "Events and people become events and customers in Customer.io."
        self.options: tuple[Option, ...] = OPTIONS
        self.reasons: Mapping[str, Reason] = REASONS
        self.people = CustomerIoPeople()
        self.cannot_forget = ""
        self.imports: Mapping[str, Importer] = {"from_app": OLD_APP, "from_posthog": TEMPLATE}
        # Customer.io documents no limit of operations; a request is full by its size long before this.
        self.limits = Limits(REQUEST_BYTES, operations=10_000, envelope_bytes=len(_BEFORE + _AFTER))

    def read_options(self, values: Mapping[str, object]) -> Options:
        return read_options(values)

    def base_url(self, options: Options) -> str:
        return options.base_url

    def requests_per_second(self, options: Options) -> int:
        return options.requests_per_second

    def forward(self, entry: Entry, options: Options) -> Written | str:
        raise NotImplementedError("Customer.io has people.")

    def request(self, operations: Sequence[Operation], options: Options, now_s: float) -> Request:
        del now_s
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
    return {"authorization": options.authorization, **json_headers()}


CUSTOMERIO: Destination[Options] = _CustomerIo()
