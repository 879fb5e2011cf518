"""Accounts and API tokens that several processes use: what is changed here is known to the others."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TypeVar, cast

from hogline.service.accounts import Accounts
from hogline.service.api_tokens import ApiTokens
from hogline.store.shared import Changing

Part = TypeVar("Part", Accounts, ApiTokens)

CHANGE_NOTHING = ("all", "note_use")
"""Of their functions, these read, or note what nobody waits for."""


def told(part: Part, changing: Changing) -> Part:
    """Looks like the part. What its functions change is in the store before they return; they raise as `changing`."""
    return cast("Part", _Told(part, changing))


class _Told:
    def __init__(self, part: Accounts | ApiTokens, changing: Changing) -> None:
        self._part = part
        self._changing = changing

    def __getattr__(self, name: str) -> object:
        function = getattr(self._part, name)
        if name in CHANGE_NOTHING or not iscoroutinefunction(function):
            return function

        async def changes(*positional: object, **named: object) -> object:
            async with self._changing():
                return await function(*positional, **named)

        return changes
