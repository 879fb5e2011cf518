"""A base for destinations that only take events, because the service behind them knows people itself or needs none.

You only write the options, an event as it is sent (`forward`), and the request around it (`request`). Responses are
read as HTTP defines them, and nothing is checked before the first event, unless your destination knows better.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from hogline import __version__
from hogline.destinations.base import Check, Importer, Limits, Option, Reason, Send, Written
from hogline.destinations.http_answers import read
from hogline.model import Answer, Operation, Request, Response
from hogline.posthog.entry import Entry


class ForwardingOptions(Protocol):
    """What the options of every destination have."""

    @property
    def base_url(self) -> str: ...

    @property
    def requests_per_second(self) -> int: ...


OptionsT = TypeVar("OptionsT", bound=ForwardingOptions)


class Forwarding(ABC, Generic[OptionsT]):
    """Satisfies `Destination`, which says what each member promises."""

    key: str
    title: str
    summary: str
    options: tuple[Option, ...]
    reasons: Mapping[str, Reason]
    imports: Mapping[str, Importer]
    limits: Limits
    cannot_forget: str
    people: None = None

    def __init__(
        self,
        *,
        key: str,
        title: str,
        summary: str,
        options: Sequence[Option],
        reasons: Mapping[str, Reason],
        limits: Limits | None = None,
    ) -> None:
        """`limits`: of a request with several events. None: each event is a separate request, and its operation has a
        path.
        """
        self.key, self.title, self.summary = key, title, summary
        self.options, self.reasons, self.imports = tuple(options), reasons, {}
        self.limits = limits or Limits(request_bytes=0, operations=1, envelope_bytes=0)
        self.cannot_forget = f"Hogline cannot delete people in {title}. Delete this user there."

    @abstractmethod
    def read_options(self, values: Mapping[str, object]) -> OptionsT: ...

    @abstractmethod
    def forward(self, entry: Entry, options: OptionsT) -> Written | str: ...

    @abstractmethod
    def request(self, operations: Sequence[Operation], options: OptionsT, now_s: float) -> Request: ...

    def base_url(self, options: OptionsT) -> str:
        return options.base_url

    def requests_per_second(self, options: OptionsT) -> int:
        return options.requests_per_second

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        """As HTTP defines it: 2xx accepts everything. 4xx rejects the request, unless it says that the connection is
        wrong or to try again.
        """
        return read(self.title, operations, response, now_s)

    async def check(self, options: OptionsT, send: Send) -> Check:
        """Sends nothing; the first event will show whether the options work."""
        del options, send
        return Check(
            "ok", f"Hogline cannot check {self.title} before the first event. If it rejects that, the connection stops."
        )


def json_headers() -> dict[str, str]:
    """The headers of a JSON request, without credentials."""
    return {"content-type": "application/json", "user-agent": f"hogline/{__version__}"}
