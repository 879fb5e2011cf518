"""Forms that are sent twice do what they ask for once: a double click, a reload, or a proxy that repeats.

Every page gives each of its forms a number (`once`). What came of a form that was taken is kept for a while, and
answers the same form again. Knows no page.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from hogline.console.context import form_of, session_of

FIELD = "once"
MOST_KEPT = 1_000
_TAKEN = frozenset({204, 303})
"""How a form is answered that did what it asked for. Other answers of that kind set `request.state.done`."""

Endpoint = Callable[[Request], Awaitable[Response]]
_Key = tuple[object, ...]


class Once:
    """What came of the last forms. A form with other values is another form, even under the same number."""

    def __init__(self) -> None:
        self._taken: OrderedDict[_Key, Response] = OrderedDict()
        self._under_way: dict[_Key, asyncio.Lock] = {}

    async def answer(self, key: _Key, request: Request, do: Endpoint) -> Response:
        lock = self._under_way.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if key in self._taken:
                    return self._taken[key]
                response = await do(request)
                if response.status_code in _TAKEN or getattr(request.state, "done", False):
                    self._taken[key] = response
                    while len(self._taken) > MOST_KEPT:
                        self._taken.popitem(last=False)
                return response
        finally:
            if not lock.locked():
                self._under_way.pop(key, None)


def number() -> str:
    """For one form of one page."""
    return secrets.token_urlsafe(9)


def done_once(endpoint: Endpoint, once: Once) -> Endpoint:
    """The endpoint of a form, asked once however often the form comes."""

    async def answer(request: Request) -> Response:
        form = await form_of(request)
        session = session_of(request)
        if not form.get(FIELD) or session is None:
            return await endpoint(request)
        key = (session.account.name, request.url.path, request.url.query, "x-part" in request.headers)
        return await once.answer((*key, *form.multi_items()), request, endpoint)

    return answer
