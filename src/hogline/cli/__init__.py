"""The command line: reads what was typed, asks the service, prints what it answers. Knows no rules."""

import sys

from hogline.destinations.base import BadDestination
from hogline.escaping import escaped

__all__ = ["main"]


def main() -> None:
    try:
        from hogline.cli.app import main as run  # noqa: PLC0415  # reading it brings the destinations of other packages
    except BadDestination as problem:
        sys.stderr.write(f"hogline: {escaped(str(problem))}\n")
        sys.exit(1)
    run()
