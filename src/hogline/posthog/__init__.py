"""What PostHog sends, read into events: bytes and time in, `Event`s out.

Five shapes are read (webhook, capture, Kafka's clickhouse_events_json, batch exports, app event), each told
apart by its keys. This room knows no clock, no network, no disk, no tokens and no destination.
"""

from hogline.posthog.capture import CaptureHints, Envelope, open_capture, read_capture, read_envelope
from hogline.posthog.identity import uuid7
from hogline.posthog.json_text import read_one, read_text, read_webhook
from hogline.posthog.received import Batch, Received, Unreadable, encode_repaired

__all__ = [
    "Batch",
    "CaptureHints",
    "Envelope",
    "Received",
    "Unreadable",
    "encode_repaired",
    "open_capture",
    "read_capture",
    "read_envelope",
    "read_one",
    "read_text",
    "read_webhook",
    "uuid7",
]
