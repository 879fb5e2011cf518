"""A local emulator of Customer.io's Track API, as documented, with a page that shows its people; and of how Engage
receives PostHog's events.

The other side of the wire: nothing in here imports, or is imported by, what delivers.
"""
