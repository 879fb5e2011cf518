"""What counts as an email address: the plain form that every mail system and Customer.io take.

Stricter than the standard on purpose. Customer.io refuses a call whose email is none, so an address in doubt
(quoted local parts, addresses in another script, a bare host) is treated as no address.
"""

from __future__ import annotations

import re

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_ATEXT}(?:\.{_ATEXT})*@(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
_MOST_BYTES = 254


def address(value: object) -> str | None:
    """The value itself if it is a text that is an address, nothing around it; else None."""
    if not isinstance(value, str) or "@" not in value or len(value) > _MOST_BYTES:
        return None
    return value if _ADDRESS.fullmatch(value) else None


def written_address(value: object) -> str | None:
    """The address in what somebody typed: blanks around it are not part of it. None if there is none."""
    return address(value.strip()) if isinstance(value, str) else None
