"""What a response of Engage means for the event that was sent.

From Engage's documentation: standard HTTP statuses, and `{"error": "…"}` in the body of an error. Knows no clock and
sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from hogline.destinations.engage.options import HOST
from hogline.destinations.http_answers import passes, refusal, retry
from hogline.model import Answer, Operation, Refused, Response, Settled, Stop


def read_answer(operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
    """One response for all operations; there is never more than one."""
    status = response.status
    if 200 <= status < 300:
        return Settled([None] * len(operations))
    if passes(status):
        return retry("Engage", response, now_s)
    if status in {401, 403}:
        return Stop(f"Engage rejected the keys ({status}). Check the public key and the secret key.")
    if 300 <= status < 400:
        return Stop(
            f"Engage returned a redirect ({status}), which Hogline does not follow: API base URL is wrong."
            f" It should be https://{HOST}, or a proxy's."
        )
    if status in {404, 405}:
        return Stop(f"The API base URL is not Engage's ({status}). It should be https://{HOST}, or a proxy's.")
    return Refused(refusal("Engage", response, operations[0]))
