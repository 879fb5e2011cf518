"""The core: what PostHog says (`Known`), what a connection has told its destination (`Told`), and the difference,
planned for each person.

Pure: it knows no clock, network or disk. It reads what is on disk through protocols that a store satisfies, and returns
what has to be written as transactions (`changes`).
"""
