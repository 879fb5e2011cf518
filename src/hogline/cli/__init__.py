"""The command line: reads what was typed, asks the service, prints what it answers. Knows no rules."""

from hogline.cli.app import main

__all__ = ["main"]
