"""Turns a host or a base URL, as typed, into the base of every request's URL.

Credentials and personal data go there, so it must be https, or http on this machine, with nothing hidden in it. Knows
no destination.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from hogline.loopback import is_loopback

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")


class BadEndpoint(ValueError):
    """The text continues a sentence that starts with the option's title."""


def base_url(text: str, example: str) -> str:
    """Scheme, host, perhaps a port and a path, without a slash at the end. Raises `BadEndpoint`.

    `example` is a valid host, for the sentence.
    """
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise BadEndpoint(f"contains characters that an address cannot have. Give a host, such as {example}.")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadEndpoint(f"is not an address. Give a host, such as {example}.") from None
    if "@" in parts.netloc:
        raise BadEndpoint("must not contain credentials; there are other options for them.")
    if "?" in text or "#" in text:
        raise BadEndpoint("must end with the host or a path, without ? or #.")
    if not (_is_ip(host) or _HOST.fullmatch(host)) or port == 0:
        raise BadEndpoint(f"is not an address. Give a host, such as {example}.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise BadEndpoint("must begin with https://. Only this machine may use http://.")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise BadEndpoint("has a path that cannot be used. Use plain names between the slashes.")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port is not None else ''}{path}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
