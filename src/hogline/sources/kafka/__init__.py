"""Receiving from a Kafka topic. Brings records in; `hogline.posthog` knows what they mean."""
