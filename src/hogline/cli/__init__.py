"""The command line: reads what was typed, asks the service, prints what it answers. Knows no rules."""

import gc

# What is imported lives as long as the process. The collector would spend a seventh of a command's start on it.
gc.disable()

from hogline.cli.app import main  # noqa: E402  # see above

gc.freeze()
# Events are many small values without cycles: at Python's own thresholds a fifth of the time goes into looking through
# those that are on their way.
gc.set_threshold(50_000, 20, 50)
gc.enable()

__all__ = ["main"]
