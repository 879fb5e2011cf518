"""Receiving over HTTP. Brings bytes in; `hogline.posthog` knows what they mean."""
