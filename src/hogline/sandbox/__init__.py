"""A local emulator of Customer.io's Track API: what its documentation says, with People one can look at;
and of Engage's way in for PostHog's events.

The other side of the wire: nothing in here imports, or is imported by, what delivers.
"""
