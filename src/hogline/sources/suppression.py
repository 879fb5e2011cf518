"""Drops events of suppressed people: events with their ids or emails are only counted, never kept."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.model import Event
from hogline.posthog import Batch, Received
from hogline.posthog.entry import decode_event
from hogline.posthog.forgetting import names_of
from hogline.store.forgetting import Suppressed

REASON = "suppressed"


def let_in(batch: Batch, suppressed: Suppressed) -> tuple[Sequence[Received], dict[str, int]]:
    """The events that may be kept, and how many may not, by reason. Costs nothing while nobody is suppressed."""
    if not suppressed:
        return batch.received, batch.refused
    kept = [each for each in batch.received if not is_kept_out(each.event, suppressed)]
    kept_out = len(batch.received) - len(kept)
    return kept, batch.refused | {REASON: kept_out} if kept_out else batch.refused


def let_in_bodies(bodies: Sequence[bytes], suppressed: Suppressed) -> Sequence[bytes]:
    """The same for events as the journal keeps them."""
    return [body for body in bodies if not is_kept_out(decode_event(body), suppressed)] if suppressed else bodies


def is_kept_out(event: Event, suppressed: Suppressed) -> bool:
    return any(suppressed(name) for name in names_of(event))
