"""History: files of events, in the order in which they happened.

One direction: files → rows → events in order. Knows no connection and sends nothing.
"""
