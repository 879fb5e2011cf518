"""Events to try: what PostHog sends, in several of its shapes. Only texts."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Sample(Struct, frozen=True):
    title: str
    text: str

    @property
    def is_single(self) -> bool:
        """Just one event."""
        return not self.text.startswith("[")


SAMPLES: Mapping[str, Sample] = {
    "custom": Sample(
        "A custom event",
        """\
{
  "event": "some_event",
  "distinct_id": "user-1",
  "properties": {
    "event_property": "value",
    "$set": {"email": "test@example.com", "userProperty": "value"}
  }
}""",
    ),
    "anonymous": Sample(
        "An anonymous page view",
        """\
{
  "event": "$pageview",
  "distinct_id": "0192a7c4-6f0e-7c31-9a55-1f2e3d4c5b6a",
  "properties": {"$current_url": "https://shop.example/hats", "$is_identified": false}
}""",
    ),
    "sign-up": Sample(
        "A visit, then a sign-up",
        """\
[
  {"event": "$pageview", "distinct_id": "visitor-7", "properties": {"$current_url": "https://shop.example/"}},
  {"event": "$identify", "distinct_id": "user-7", "properties": {
    "$anon_distinct_id": "visitor-7",
    "$set": {"email": "ada@example.com", "plan": "free"}}},
  {"event": "order completed", "distinct_id": "user-7", "properties": {"total": 49}}
]""",
    ),
    "webhook": Sample(
        "A webhook body",
        """\
{
  "event": {
    "event": "plan changed",
    "distinct_id": "user-7",
    "properties": {"$set": {"plan": "pro"}},
    "timestamp": "2026-11-01T10:00:00.000Z"
  },
  "person": {"properties": {"email": "ada@example.com", "plan": "pro"}}
}""",
    ),
    "hostile": Sample(
        "An event that gets adjusted",
        """\
{
  "event": "invoice sent",
  "distinct_id": "user-7",
  "properties": {
    "Reply-To": "mallory@example.com",
    "total": NaN,
    "$set": {"id": "somebody-else", "email": "not an address", "plan": "pro"}
  }
}""",
    ),
}
