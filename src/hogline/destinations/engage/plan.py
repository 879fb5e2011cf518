"""What one event comes to: itself, as PostHog's webhook gives it, or the rule that keeps it from being sent.

Engage knows people and joins them by itself, so nothing is remembered of anybody. Pure: no clock, no network, no
disk.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from hogline.destinations.engage.options import Options
from hogline.destinations.values import not_numbers
from hogline.model import Event, Operation, Person, Plan

PATH = "/posthog"
POSTHOGS_OWN = frozenset({"$identify", "$set", "$unset", "$groupidentify", "$create_alias"})
"""Of the events that PostHog names itself (`$…`), those that Engage takes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


def plan(event: Event, person: Person | None, options: Options) -> Plan:
    """`person` comes back as it was given."""
    filtered = _filtered(event, options)
    if filtered is not None:
        return Plan(person, filtered=filtered, adjusted=event.repaired)
    properties = _properties(event)
    body = _encode(
        {
            "uuid": event.uuid,
            "event": event.name,
            "distinct_id": event.distinct_id,
            "properties": properties,
            "timestamp": _iso(event.timestamp_ms),
            "elements_chain": event.elements_chain,
            "url": event.url,
        }
    )
    adjusted = event.repaired
    if b"null" in body:
        adjusted += ("not_a_number",) * not_numbers(properties)
    # A path of its own: each event is a request.
    return Plan(person, (Operation("event", body, path=PATH),), adjusted=adjusted)


def _filtered(event: Event, options: Options) -> str | None:
    """The rule that keeps an event from being sent; None if it is."""
    if event.distinct_id.startswith("cookieless_") or event.distinct_id == "$posthog_cookieless":
        return "cookieless"  # somebody else tomorrow: Engage would keep a user for each day
    name = event.name.strip()
    if name.startswith("$") and name not in POSTHOGS_OWN:
        return "not_for_engage"
    if options.allowlist and name not in options.allowlist:
        return "not_in_allowlist"
    return None


def _properties(event: Event) -> dict[str, object]:
    """The event's properties with what it sets of the person back among them, as PostHog's webhook has it."""
    properties = dict(event.properties)
    if event.set:
        properties["$set"] = event.set
    if event.set_once:
        properties["$set_once"] = event.set_once
    if event.unset:
        properties["$unset"] = event.unset
    return properties


def _iso(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
