"""What HTTP responses mean for any destination: accepted, rejected and why, try again and when, or stop.

Knows no destination and no clock, and sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from hogline.model import Answer, Operation, Refusal, Refused, Response, Retry, Settled, Stop

LONGEST_WAIT_S = 3_600.0
"""The longest `Retry-After` that is respected: an hour."""
MESSAGE_CHARACTERS = 500
"""How much of a server's message is kept."""
_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TRY_AGAIN = frozenset({408, 425, 429})


def read(title: str, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
    """What a response means, by its status alone. `title` is the destination's."""
    status = response.status
    if 200 <= status < 300:
        return Settled([None] * len(operations))
    if passes(status):
        return retry(title, response, now_s)
    if status in {401, 403}:
        return Stop(f"{title} rejected the credentials ({status}). Check them.")
    if 300 <= status < 400:
        return Stop(f"{title} returned a redirect ({status}), which Hogline does not follow. Check the address.")
    if status in {404, 405, 410}:
        return Stop(f"{title} has nothing at this address ({status}). Check the address.")
    return Refused(refusal(title, response, operations[0]))


def refusal(title: str, response: Response, operation: Operation) -> Refusal:
    """Why a request was rejected. The body's `error` is the reason if it is one word, otherwise it is the message."""
    error = (json_object(response.body) or {}).get("error")
    text = error if isinstance(error, str) else ""
    reason = text.lower()
    return Refusal(
        reason=reason if is_short_reason(reason) else f"refused_{response.status}",
        message=(text or f"{title} returned {response.status}.")[:MESSAGE_CHARACTERS],
        operation=operation.body,
    )


def passes(status: int) -> bool:
    """Whether the status means trouble that is caused neither by the request nor by the connection."""
    return status in _TRY_AGAIN or not 200 <= status < 500


def retry(title: str, response: Response, now_s: float) -> Retry:
    """Retry, after the time that the response asks for. `title` is the destination's."""
    after_s = _retry_after_s(response.headers.get("retry-after", ""), now_s)
    return Retry(
        f"{title} returned {response.status}. Hogline keeps trying.", after_s, throttled=response.status == 429
    )


def is_short_reason(text: str) -> bool:
    """Whether it is a machine-readable word, short enough to count by: lowercase, digits, underscores."""
    return _REASON.fullmatch(text) is not None


def json_object(body: bytes) -> dict[str, object] | None:
    """The body's JSON object; None if it is not one."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _retry_after_s(text: str, now_s: float) -> float | None:
    """How many seconds a `Retry-After` asks to wait, as a number or a date; None if it does not."""
    text = text.strip()
    try:
        wait_s = float(text) if text.isascii() and text.isdigit() else _date_s(text) - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), LONGEST_WAIT_S)


def _date_s(text: str) -> float:
    date = parsedate_to_datetime(text)
    # A date without a zone is UTC, as HTTP defines it, whatever this machine's zone is.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
