"""A base for destinations that only take events: the service behind it knows people by itself, or needs none.

What is left to write: the options, an event as it is sent (`forward`), and the request around it (`request`). Answers
are read as HTTP means them, and nothing is checked before the first event, unless a destination knows better.
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
    """What every destination's options have."""

    @property
    def base_url(self) -> str: ...

    @property
    def requests_per_second(self) -> int: ...


OptionsT = TypeVar("OptionsT", bound=ForwardingOptions)


class Forwarding(ABC, Generic[OptionsT]):
    """Satisfies `Destination`; see there for what each member promises."""

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
        """`limits`: of a request that carries several events. None: each event is a request of its own, and its
        operation has a path.
        """
        self.key, self.title, self.summary = key, title, summary
        self.options, self.reasons, self.imports = tuple(options), reasons, {}
        self.limits = limits or Limits(request_bytes=0, operations=1, envelope_bytes=0)
        self.cannot_forget = f"Hogline cannot delete anybody in {title}. Delete this user there."

    @abstractmethod
    def read_options(self, values: Mapping[str, object]) -> OptionsT: ...

    @abstractmethod
    def forward(self, entry: Entry, options: OptionsT) -> Written | str: ...

    @abstractmethod
    def request(self, operations: Sequence[Operation], options: OptionsT) -> Request: ...

    def base_url(self, options: OptionsT) -> str:
        return options.base_url

    def requests_per_second(self, options: OptionsT) -> int:
        return options.requests_per_second

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        """As HTTP means it: 2xx accepts all; 4xx refuses the request, but for those that say the connection is wrong
        or that it is to be tried again.
        """
        return read(self.title, operations, response, now_s)

    async def check(self, options: OptionsT, send: Send) -> Check:
        """Nothing is asked: the first event tells."""
        del options, send
        return Check("ok", f"{self.title} is not asked before the first event. If it refuses, the connection stops.")


def json_headers() -> dict[str, str]:
    """The headers of a request with JSON, without credentials."""
    return {"content-type": "application/json", "user-agent": f"hogline/{__version__}"}
