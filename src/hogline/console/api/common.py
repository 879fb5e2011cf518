"""What several resources share: types of parameters, and finding a connection."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hogline.console.api.endpoints import ApiError
from hogline.service import Service
from hogline.views import ConnectionView

ONE = "/api/connections/{name}"

Limit = Annotated[int, Meta(ge=1, le=500, description="Maximum number of results.")]
FailureId = Annotated[int, Meta(ge=1, le=2**63 - 1, description="The id from the list of failures.")]
After = Annotated[int, Meta(ge=0, le=2**63 - 1, description="The `next` value of the previous page.")]
TimeMs = Annotated[int, Meta(ge=0, le=2**53, description="Milliseconds since 1970.")]
Text = Annotated[str, Meta(max_length=1_000)]


async def existing(service: Service, name: str) -> ConnectionView:
    for one in await service.connections.all():
        if one.name == name:
            return one
    raise ApiError(404, "Connection not found.")
