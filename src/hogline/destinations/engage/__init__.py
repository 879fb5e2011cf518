"""The Engage destination: PostHog's events as PostHog's webhook gives them, one request each.

`ENGAGE` is what others use; the modules beside it each know one part (which events, what an answer means, what
can be checked).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hogline import __version__
from hogline.destinations.base import Check, Destination, Importer, Limits, Option, Send, Written
from hogline.destinations.engage.answers import read_answer
from hogline.destinations.engage.check import check
from hogline.destinations.engage.forward import PATH, forward
from hogline.destinations.engage.options import OPTIONS, Options, read_options
from hogline.model import Answer, Operation, Request, Response
from hogline.posthog.entry import Entry

__all__ = ["ENGAGE", "Options"]


class _Engage:
    def __init__(self) -> None:
        self.key = "engage"
        self.title = "Engage"
        self.summary = "Your own events, and what PostHog knows of people and groups, go to Engage as they are."
        self.options: tuple[Option, ...] = OPTIONS
        self.people = None  # Engage knows people and joins them by itself
        self.cannot_forget = "Hogline cannot delete anybody in Engage. Delete this user there."
        self.imports: Mapping[str, Importer] = {}
        # One event a request, however large: Engage documents no limit of size, and what we receive is bounded.
        self.limits = Limits(request_bytes=0, operations=1, envelope_bytes=0)

    def read_options(self, values: Mapping[str, object]) -> Options:
        return read_options(values)

    def base_url(self, options: Options) -> str:
        return options.base_url

    def requests_per_second(self, options: Options) -> int:
        return options.requests_per_second

    def forward(self, entry: Entry, options: Options) -> Written | str:
        return forward(entry, options)

    def request(self, operations: Sequence[Operation], options: Options) -> Request:
        (operation,) = operations
        headers = {
            "authorization": options.authorization,
            "content-type": "application/json",
            "user-agent": f"hogline/{__version__}",
        }
        return Request("POST", options.base_url + PATH, headers, operation.body)

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        return read_answer(operations, response, now_s)

    async def check(self, options: Options, send: Send) -> Check:
        return await check(options, send)


ENGAGE: Destination[Options] = _Engage()
