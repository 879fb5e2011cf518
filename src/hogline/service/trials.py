"""Sends one event for real, with options that need not be saved, and shows each request with its response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hogline.backfill.preview import NO_CONNECTION
from hogline.clock import Clock
from hogline.delivery.installed import Installed
from hogline.delivery.pack import pack
from hogline.delivery.rehearsal import Rehearsal
from hogline.destinations.base import Send, Unreachable
from hogline.model import Answer, Operation, Refused, Retry, Settled, Stop
from hogline.posthog.json_text import read_one
from hogline.posthog.received import Unreadable
from hogline.reasons import why_event_not_sent, why_refused
from hogline.service.connection_options import destination_named, given, over_its_own
from hogline.service.core import CannotDo, connection_named, evolved, opened, read_options
from hogline.service.trail import Trail
from hogline.store.base import State
from hogline.views.connections import SentRequest, TrialView

SHOWN = frozenset({"accept", "content-type", "idempotency-key", "user-agent"})
"""Headers without secrets."""
HIDDEN = "•••"
NOT_TRIED = frozenset({"merge", "delete", "suppress"})
MOST_SHOWN = 4_000
"""Characters of a response."""


class Trials:
    def __init__(self, state: State, send: Send, clock: Clock, trail: Trail) -> None:
        self._state = state
        self._send = send
        self._clock = clock
        self._trail = trail

    async def send(self, destination: str, options: dict[str, object], event: str, name: str = "") -> TrialView:
        """Send this event (JSON in any of PostHog's shapes) as a connection with these options would, after a check of
        the credentials. Hogline itself remembers nothing of it. With a connection's name, the options are combined with
        its stored ones, as `configure` does. Raises `CannotDo`.
        """
        made_for, values = NO_CONNECTION, given(options)
        if name:
            made_for = await connection_named(self._state, name)
            destination, values = made_for.destination, over_its_own(made_for, options)
        chosen = destination_named(destination)
        check = await chosen.check(read_options(chosen, values), self._send)
        if check.outcome != "ok":
            raise CannotDo(f"{check.sentence} Nothing was sent.")
        one = opened(evolved(made_for, destination=destination, options=values))
        view, operations = await self._planned(one, event)
        if not operations:
            return view
        await self._trail.note("event_tried", {"event": view.event}, connection=name, person=view.distinct_id)
        secrets = [str(values[option.key]) for option in chosen.options if option.secret and values.get(option.key)]
        return msgspec.structs.replace(view, requests=await self._sent(one, operations, secrets))

    async def _planned(self, one: Installed[Any], event: str) -> tuple[TrialView, Sequence[Operation]]:
        """With everything that is known of its person, but as if nobody else were at work."""
        try:
            entry = read_one(event.encode(errors="replace"), self._clock.time_ms()).entry
        except Unreadable as problem:
            raise CannotDo(f"{problem.sentence} Nothing was sent.") from None
        rehearsal = Rehearsal(one, self._clock, state=self._state)
        rehearsal.add(entry)
        rehearsed = await rehearsal.ship()
        assert rehearsed is not None  # the event waited
        own, operations = rehearsed.shipment.items[-1], rehearsed.shipment.operations
        if any(operation.action in NOT_TRIED for operation in operations):
            raise CannotDo("This event would delete or merge a customer. Choose another one. Nothing was sent.")
        why = ""
        if own.refusals:
            why = why_refused(own.refusals[0].reason).means
        elif own.filtered is not None:
            why = why_event_not_sent(own.filtered)
        return TrialView(event=entry.name, distinct_id=entry.distinct_id, uuid=entry.uuid, not_sent=why), operations

    async def _sent(
        self, one: Installed[Any], operations: Sequence[Operation], secrets: Sequence[str]
    ) -> list[SentRequest]:
        found: list[SentRequest] = []
        for some in pack(operations, one.destination.limits):
            began_ms = self._clock.time_ms()
            request = one.destination.request(some, one.options, began_ms / 1_000)
            try:
                response = await self._send(request)
            except Unreachable as unreachable:
                answered, accepted, sentence = None, False, f"No response ({unreachable})."
            else:
                answered = response
                accepted, sentence = _meaning(one.destination.read_answer(some, response, began_ms / 1_000))
            sent = SentRequest(
                method=request.method,
                url=_hidden(request.url, secrets),
                headers=_shown(request.headers, secrets),
                body=_value(request.body, secrets),
                accepted=accepted,
                sentence=_hidden(sentence, secrets),
                status=answered.status if answered else None,
                response=_value(answered.body[:MOST_SHOWN], secrets) if answered else "",
                took_ms=self._clock.time_ms() - began_ms,
            )
            found.append(sent)
            if not accepted:
                break
        return found


def _meaning(answer: Answer) -> tuple[bool, str]:
    """Whether everything was accepted, and a sentence."""
    match answer:
        case Settled():
            refusals = [refusal for refusal in answer.outcomes if refusal is not None]
        case Refused():
            refusals = [answer.refusal]
        case Retry() | Stop():
            return False, answer.reason
    said = " ".join(f"Rejected: {one.reason}. {one.message}".strip() for one in refusals)
    return not refusals, said or "Accepted."


def _shown(headers: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    return {name: _hidden(value, secrets) if name.lower() in SHOWN else HIDDEN for name, value in headers.items()}


def _value(body: bytes, secrets: Sequence[str]) -> object:
    """JSON as a value, everything else as text."""
    text = _hidden(body.decode(errors="replace"), secrets)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
