"""The hosts of Customer.io's Track API, and the tracking endpoint as a base URL."""

from __future__ import annotations

from hogline.destinations import endpoint
from hogline.destinations.endpoint import BadEndpoint

__all__ = ["EU", "US", "BadEndpoint", "base_url"]

US = "track.customer.io"
EU = "track-eu.customer.io"


def base_url(text: str) -> str:
    """Scheme, host, perhaps a port and a path, without a slash at the end. Raises `BadEndpoint`."""
    return endpoint.base_url(text, example=US)
