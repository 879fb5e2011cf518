"""What an answer of Engage says of the event that was sent.

Engage's documentation: standard HTTP statuses, and `{"error": "…"}` in the body of an error. Knows no clock and
sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from hogline.destinations.engage.options import HOST
from hogline.destinations.http_answers import passes, refusal, retry
from hogline.model import Answer, Operation, Refused, Response, Settled, Stop


def read_answer(operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
    """One answer for all operations; there is never more than one."""
    status = response.status
    if 200 <= status < 300:
        return Settled([None] * len(operations))
    if passes(status):
        return retry("Engage", response, now_s)
    if status in {401, 403}:
        return Stop(f"Engage refused the keys ({status}). Check the public key and the secret key.")
    if 300 <= status < 400:
        return Stop(
            f"Engage answered with a redirect ({status}), which is not followed: API base URL is not the right one."
            f" It is https://{HOST}, or that of a proxy."
        )
    if status in {404, 405}:
        return Stop(
            f"What answers at the API base URL is not Engage ({status}). It is https://{HOST}, or that of a proxy."
        )
    return Refused(refusal("Engage", response, operations[0]))
