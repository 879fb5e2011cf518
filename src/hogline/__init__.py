"""Hogline brings PostHog's events and people into Customer.io."""

__version__ = "0.1.0"
