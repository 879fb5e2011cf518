"""What commands and pages say once a source is changed."""

from __future__ import annotations

from datetime import UTC, datetime

from hogline.views.connections import SourceView


def added(source: SourceView) -> str:
    since = f"{datetime.fromtimestamp(source.up_to_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if source.kind == "kafka":
        return f"{source.name} reads from {source.address}, since {since}."
    what = "what Kafka missed" if source.only_gaps else f"what PostHog received since {since}"
    return f"{source.name} fetches from {source.address} every {span(source.every_s)}, {what}."


def paused(name: str) -> str:
    return f"{name} is paused."


def resumed(name: str) -> str:
    return f"{name} continues."


def dismissed(name: str) -> str:
    return f"Dismissed what {name} missed."


def removed(name: str) -> str:
    return f"{name} is removed; its key or settings are deleted."


def span(seconds: int) -> str:
    """Such as 5m."""
    for unit_s, unit in ((3_600, "h"), (60, "m")):
        if seconds % unit_s == 0:
            return f"{seconds // unit_s}{unit}"
    return f"{seconds}s"
