"""A destination that sends events in batches to any URL, as signed webhooks. `WEBHOOK` is what Hogline loads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from hogline.destinations.base import Check, Destination, Limits, Reason, Send, Unreachable, Written
from hogline.destinations.forwarding import Forwarding, json_headers
from hogline.model import Answer, Operation, Refusal, Request, Response
from hogline.posthog.entry import NOTHING, Entry

from hogline_webhook.answers import read_answer
from hogline_webhook.options import OPTIONS, Options, read_options
from hogline_webhook.signing import signature_headers

__all__ = ["WEBHOOK", "Options"]

EVENT_BYTES = 900_000
_BEFORE, _AFTER = b'{"events":[', b"]}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Webhook(Forwarding[Options]):
    def read_options(self, values: Mapping[str, object]) -> Options:
        return read_options(values)

    def forward(self, entry: Entry, options: Options) -> Written | str:
        if not options.events.takes(entry.name):
            return "not_selected"
        said = entry.said or NOTHING
        about = {"set": said.set, "set_once": said.set_once, "unset": said.unset}
        body = msgspec.json.encode(
            {
                "uuid": entry.uuid,
                "event": entry.name,
                "distinct_id": entry.distinct_id,
                "timestamp": _iso(entry.timestamp_ms),
                "properties": msgspec.Raw(entry.whole),
                **{name: value for name, value in about.items() if value},
            }
        )
        if len(body) > EVENT_BYTES:
            return Written(None, refusal=Refusal("too_large_for_webhook", f"The event has {len(body):,} bytes."))
        return Written(Operation("event", body))

    def request(self, operations: Sequence[Operation], options: Options, now_s: float) -> Request:
        body = _BEFORE + b",".join(operation.body for operation in operations) + _AFTER
        headers = {**json_headers(), **signature_headers(options.secret, body, int(now_s))}
        return Request("POST", options.base_url, headers, body)

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        return read_answer(self.title, operations, response, now_s)

    async def check(self, options: Options, send: Send) -> Check:
        """A signed request without events."""
        try:
            response = await send(self.request([], options, time.time()))
        except Unreachable as why:
            return Check("unreachable", f"The URL cannot be reached: {why}. Check it and the network, then try again.")
        status = response.status
        if 200 <= status < 300:
            return Check("ok", "The URL accepts signed requests.")
        if status in {401, 403}:
            return Check(
                "refused", f"The URL refused the signature ({status}). Both sides need the same signing secret."
            )
        return Check(
            "unreachable", f"The URL answers {status} to a request without events. Check it, or try again later."
        )


def _iso(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


WEBHOOK: Destination[Options] = _Webhook(
    key="webhook",
    title="Signed webhook",
    summary="Events go to a URL of yours in batches, each request signed.",
    options=OPTIONS,
    reasons={
        "not_selected": Reason("The option Events leaves this event out."),
        "too_large_for_webhook": Reason(
            f"The event is larger than {EVENT_BYTES:,} bytes.",
            "Send less data with this event. A retry will not help, so discard it.",
        ),
    },
    limits=Limits(request_bytes=1_000_000, operations=500, envelope_bytes=len(_BEFORE + _AFTER)),
)
