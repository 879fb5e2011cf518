"""Hogline brings PostHog's events and people into Customer.io."""

__version__ = "0.2.0"
