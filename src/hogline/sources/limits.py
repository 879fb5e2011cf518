"""How much a sender may send at once. Numbers only; each is enforced where it is met."""

from __future__ import annotations

from msgspec import Struct

MIB = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    body_bytes: int = 4 * MIB
    """Of a body as it arrives, still compressed. This and the next two are PostHog's own."""
    batch_body_bytes: int = 20 * MIB
    """The same for the routes that take batches."""
    unpacked_times: int = 5
    """How many times longer a body may be once it is decompressed."""
    batch_events: int = 10_000
    headers: int = 100
    header_bytes: int = 32 * 1024
    """Of all headers of a request together."""
    url_bytes: int = 64 * 1024
    """Of the address with its query: `GET ?data=` carries events there."""
    body_s: float = 30
    """Until a body must have arrived."""
    head_s: float = 15
    """Until a request's headers must have arrived."""

    def unpacked_bytes(self, body_bytes: int) -> int:
        """Of a body once it is decompressed, where this much may arrive."""
        return self.unpacked_times * body_bytes


DEFAULT = Limits()
