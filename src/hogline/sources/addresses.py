"""Whose request it is: the address of the client, also behind a reverse proxy that is trusted to name it.

Pure. Knows `X-Forwarded-For` and nothing of what an address is good for.
"""

from __future__ import annotations

import ipaddress
from typing import Self, TypeAlias

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_HOPS = 20
"""Of `X-Forwarded-For`, counted from our side: what lies further away was written by the client."""
_SUBSCRIBER_BITS = 64
"""An IPv6 subscriber has at least this network (RFC 6177)."""


class TrustedProxies:
    """The proxies that `HOGLINE_TRUSTED_PROXIES` names. With none, an address is that of the connection."""

    def __init__(self, networks: tuple[_Network, ...] = ()) -> None:
        self._networks = networks

    @classmethod
    def parse(cls, text: str) -> Self:
        """From addresses and networks, separated by commas. Raises ValueError for anything else."""
        return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))

    def trusts(self, peer: str) -> bool:
        """Whether the connection from this address is a proxy's."""
        address = _address(peer)
        return address is not None and self._contains(address)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client's address. `peer`: the other end of the connection; `forwarded_for`: all `X-Forwarded-For`
        headers, joined by commas.

        Each proxy appends the address that it saw, so the header is read from its end: the first address that is no
        proxy of ours is the client, and whatever stands before it is the client's own invention. A peer that is no
        trusted proxy is itself the client. What cannot be read is not followed.
        """
        client = peer
        if not self._networks or not self.trusts(peer):
            return _plain(client)
        for hop in reversed(forwarded_for.split(",")[-_MOST_HOPS:]):
            address = _address(hop)
            if address is None:
                break
            client = str(address)
            if not self._contains(address):
                break
        return _plain(client)

    def _contains(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def subscriber(address: str) -> str:
    """The key to count a client by: an IPv4 address, or the network of an IPv6 address."""
    parsed = _address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _SUBSCRIBER_BITS), strict=False))
    return address


def _plain(address: str) -> str:
    parsed = _address(address)
    return address if parsed is None else str(parsed)


def _address(text: str) -> _Address | None:
    """Also with a port (`192.0.2.1:4711`, `[2001:db8::1]:443`), as some proxies write it; None: no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address
