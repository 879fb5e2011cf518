"""Which of an event's properties PostHog's SDKs and its ingestion add for themselves: where it came from, by what, and
when. Nobody segments by them, and an IP address or a location is more than most want to pass on.
"""

from __future__ import annotations

_NAMES = frozenset({"$ip", "$raw_user_agent", "$insert_id", "$time", "$sent_at", "token"})
_BEGINNINGS = ("$geoip_", "$lib")


def is_plumbing(name: str) -> bool:
    return name in _NAMES or name.startswith(_BEGINNINGS)
