"""The core: what PostHog says (`Known`), what a connection made true (`Told`), and the difference, planned for people.

Pure: it knows no clock, no network and no disk. What is on disk is read through `store`'s `Reads`, and what is to be
written comes back as transactions (`changes`).
"""
