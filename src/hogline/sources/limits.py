"""How much a sender may send at the same time. Numbers only; each is enforced where it applies."""

from __future__ import annotations

from msgspec import Struct

MIB = 1024 * 1024


class ReceivingLimits(Struct, frozen=True, kw_only=True):
    body_bytes: int = 4 * MIB
    """Of a body as it arrives, still compressed. This and the next two are PostHog's own."""
    batch_body_bytes: int = 20 * MIB
    """The same for the routes that take batches."""
    unpacked_times: int = 5
    """How many times longer a body may be once it is decompressed."""
    most_unpacked_bytes: int = 20 * MIB
    """However long it was: memory has a bound too."""
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
    answer_s: float = 120
    """Until an answer must have begun, and between its parts."""
    write_s: float = 30
    """Until a sender must have taken what it was answered."""
    idle_s: float = 75
    """Until the next request on a connection must have begun."""
    linger_s: float = 10
    """Behind the last answer, until the sender must be through with what it sends."""
    linger_bytes: int = 80 * MIB
    """Of what is thrown away meanwhile."""
    pipelined: int = 16
    """Requests that may wait on one connection behind the one that is being answered."""

    def unpacked_bytes(self, body_bytes: int) -> int:
        """Of a body once it is decompressed, where this much may arrive."""
        return min(self.unpacked_times * body_bytes, self.most_unpacked_bytes)


DEFAULT = ReceivingLimits()
