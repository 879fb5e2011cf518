"""The last refused requests, for the user who sets up a sender: which route, what was wrong, how often. Nothing that
was sent is kept, and nothing about the sender.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct, json

from hogline.sources.asgi import Reply

MOST = 20


class Rejection(Struct, frozen=True):
    """Requests to one route that were refused for one reason."""

    route: str
    """As a pattern, without tokens; empty: unknown."""
    status: int
    sentence: str
    """What was wrong, and what to do."""
    times: int
    first_ms: int
    last_ms: int


class Rejections:
    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Rejection] = OrderedDict()

    def note(self, route: str, reply: Reply, at_ms: int) -> None:
        """A request was answered with that error."""
        sentence = str(json.decode(reply.body, type=dict[str, object]).get("error", ""))
        key = (route, sentence)
        before = self._kept.pop(key, None)
        times, first_ms = (1, at_ms) if before is None else (before.times + 1, before.first_ms)
        self._kept[key] = Rejection(route, reply.status, sentence, times, first_ms, at_ms)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def newest(self) -> list[Rejection]:
        """The last ones, newest first."""
        return list(reversed(self._kept.values()))
