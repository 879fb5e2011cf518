"""What several resources share: types of parameters, lists and their pages, and finding a connection."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

from hogline.console.api.endpoints import ApiError
from hogline.service import Service
from hogline.views.connections import ConnectionView

ONE = "/api/connections/{name}"

Limit = Annotated[int, Meta(ge=1, le=500, description="Maximum number of results.")]
FailureId = Annotated[int, Meta(ge=1, le=2**63 - 1, description="The id from the list of failures.")]
After = Annotated[int, Meta(ge=0, le=2**63 - 1, description="The `next` value of the previous page.")]
TimeMs = Annotated[int, Meta(ge=0, le=2**53, description="Milliseconds since 1970.")]
Text = Annotated[str, Meta(max_length=1_000)]


ItemT = TypeVar("ItemT")


class Items(Struct, Generic[ItemT], frozen=True):
    """All of them."""

    items: list[ItemT]


class Page(Struct, Generic[ItemT], frozen=True):
    """One page of an ordered list."""

    items: list[ItemT]
    next: str | None
    """Pass it as `after` to get the next page; null: this is the last page."""


async def existing(service: Service, name: str) -> ConnectionView:
    for one in await service.connections.all():
        if one.name == name:
            return one
    raise ApiError(404, "Connection not found.")
