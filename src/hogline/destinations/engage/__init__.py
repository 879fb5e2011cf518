"""The Engage destination: PostHog's events as PostHog's webhook sends them, one request each.

Other modules use `ENGAGE`. Each module in this folder knows one part (which events are sent, what a response means,
what can be checked).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hogline.destinations.base import Check, Destination, Reason, Send, Written
from hogline.destinations.engage.answers import read_answer
from hogline.destinations.engage.check import check
from hogline.destinations.engage.forward import PATH, forward
from hogline.destinations.engage.options import OPTIONS, Options, read_options
from hogline.destinations.forwarding import Forwarding, json_headers
from hogline.model import Answer, Operation, Request, Response
from hogline.posthog.entry import Entry

__all__ = ["ENGAGE", "Options"]


class _Engage(Forwarding[Options]):
    """Engage knows people and merges them itself. It documents no size limit, and events are limited on receipt."""

    def read_options(self, values: Mapping[str, object]) -> Options:
        return read_options(values)

    def forward(self, entry: Entry, options: Options) -> Written | str:
        return forward(entry, options)

    def request(self, operations: Sequence[Operation], options: Options, now_s: float) -> Request:
        del now_s
        (operation,) = operations
        headers = {"authorization": options.authorization, **json_headers()}
        return Request("POST", options.base_url + PATH, headers, operation.body)

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        return read_answer(operations, response, now_s)

    async def check(self, options: Options, send: Send) -> Check:
        return await check(options, send)


ENGAGE: Destination[Options] = _Engage(
    key="engage",
    title="Engage",
    summary="Your own events, and what PostHog knows about people and groups, go to Engage unchanged.",
    options=OPTIONS,
    reasons={"not_for_engage": Reason("Engage only gets your own events and events that change people.")},
)
