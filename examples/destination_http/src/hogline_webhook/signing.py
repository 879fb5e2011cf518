"""A request's signature, as Standard Webhooks describes it. Knows no clock."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signature_headers(secret: bytes, body: bytes, timestamp_s: int) -> dict[str, str]:
    """The headers that let a receiver prove who sent a body, and when."""
    number = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
    signed = b"%b.%d.%b" % (number.encode(), timestamp_s, body)
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": number,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }
