"""What a response of Customer.io means for each operation of the request.

When in doubt, a request is sent again. Its events have ULIDs and its attributes a time, so a repeat changes nothing,
while an operation wrongly taken for accepted would be lost. Knows no clock and sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from msgspec import Struct

from hogline.destinations.customerio.endpoint import EU, US
from hogline.destinations.http_answers import MESSAGE_CHARACTERS, is_short_reason, json_object, passes, retry
from hogline.model import Answer, Operation, Refusal, Refused, Response, Retry, Settled, Stop


class Complaint(Struct, frozen=True):
    """One error in a response. `index` is None if it does not say which operation it is about."""

    reason: str = ""
    message: str = ""
    field: str = ""
    index: int | None = None


def read_answer(operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return _read_success(operations, response)
    if 300 <= status < 400:
        return Stop(
            f"Customer.io returned a redirect ({status}), so Tracking Endpoint is not in this"
            f" workspace's region. Choose {US} or {EU}."
        )
    if status in {401, 403}:
        return Stop(
            f"Customer.io rejected the credentials ({status}). Check the Site ID and the API Key, and that"
            " Tracking Endpoint is in the workspace's region."
        )
    if status in {404, 405} and not any(operation.path for operation in operations):
        return Stop(
            f"The Tracking Endpoint is not Customer.io's Track API ({status})."
            f" Choose {US} or {EU}, or correct the base URL."
        )
    if passes(status):
        return retry("Customer.io", response, now_s)
    return Refused(_refusal(status, complaints(response.body) or (), operations))


def _read_success(operations: Sequence[Operation], response: Response) -> Answer:
    if not response.body.strip() and response.status != 207:
        return Settled([None] * len(operations))
    found = complaints(response.body)
    if found is None:
        # A proxy's page, or a truncated body: it is unclear what happened to the operations.
        return Retry("Hogline cannot read Customer.io's response. It keeps trying.")
    by_index: dict[int, list[Complaint]] = {}
    for complaint in found:
        index = 0 if len(operations) == 1 else complaint.index
        if index is None or not 0 <= index < len(operations):
            # Something was rejected, without saying what. If the whole request counts as rejected, it is sent again in
            # parts, and the cause is found; Customer.io recognizes what it accepted by the ULID.
            return Refused(_refusal(response.status, found, operations))
        by_index.setdefault(index, []).append(complaint)
    return Settled(
        [
            _refusal(response.status, by_index[index], (operation,)) if index in by_index else None
            for index, operation in enumerate(operations)
        ]
    )


def complaints(body: bytes) -> tuple[Complaint, ...] | None:
    """The errors in a body, in any of Customer.io's three formats; None: the body is not a JSON object."""
    answer = json_object(body)
    if answer is None:
        return None
    meta = answer.get("meta")
    found = _listed(answer.get("errors"))
    if isinstance(meta, dict):
        found += _listed(meta.get("errors")) + _listed(meta.get("error"))
    return tuple(_complaint(item) for item in found)


def _listed(errors: object) -> list[object]:
    if isinstance(errors, list):
        return errors
    return [] if errors is None or errors == "" else [errors]


def _complaint(item: object) -> Complaint:
    if not isinstance(item, dict):
        return Complaint(message=_text(item))
    values = cast("dict[str, object]", item)
    index = values.get("batch_index")
    return Complaint(
        reason=_text(values.get("reason")),
        message=_text(values.get("message")),
        field=_text(values.get("field")),
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _refusal(status: int, found: Sequence[Complaint], operations: Sequence[Operation]) -> Refusal:
    """One refusal for all errors. The first one is the reason. The operation is known if it is the only one."""
    reason = found[0].reason.lower() if found else ""
    message = " ".join(complaint.message for complaint in found if complaint.message)
    return Refusal(
        reason=reason if is_short_reason(reason) else f"refused_{status}",
        message=(message or f"Customer.io returned {status}.")[:MESSAGE_CHARACTERS],
        field=found[0].field[:100] if found else "",
        operation=operations[0].body if len(operations) == 1 else b"",
    )
