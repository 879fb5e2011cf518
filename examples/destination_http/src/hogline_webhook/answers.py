"""What an answer says of each event of a request."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.destinations.http_answers import MESSAGE_CHARACTERS, is_short_reason, json_object, read
from hogline.model import Answer, Operation, Refusal, Response, Retry, Settled


def read_answer(title: str, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
    """As HTTP means it; an accepted request may refuse single events. A list of refusals that cannot be read means
    retry: an event wrongly taken for delivered would be lost.
    """
    answer = read(title, operations, response, now_s)
    refused = (json_object(response.body) or {}).get("refused")
    if not isinstance(answer, Settled) or refused is None:
        return answer
    unreadable = Retry(f"{title} refuses events, but does not say which. Hogline tries again.")
    if not isinstance(refused, list):
        return unreadable
    outcomes: list[Refusal | None] = [None] * len(operations)
    for one in refused:
        index = one.get("index") if isinstance(one, dict) else None
        if type(index) is not int or not 0 <= index < len(operations):
            return unreadable
        outcomes[index] = _refusal(one.get("error"), operations[index])
    return Settled(outcomes)


def _refusal(error: object, operation: Operation) -> Refusal:
    text = error if isinstance(error, str) else ""
    reason = text if is_short_reason(text) else "refused_by_webhook"
    return Refusal(reason, (text or "The webhook refused the event.")[:MESSAGE_CHARACTERS], operation=operation.body)
