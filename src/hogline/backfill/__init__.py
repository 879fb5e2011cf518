"""Older events: read from files and from PostHog in the order in which they happened; then sent, previewed or forecast.

One direction: files → rows → events in order → `sending`, `preview` or `forecast`.
"""
