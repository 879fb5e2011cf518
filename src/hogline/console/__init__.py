"""The console: web pages over the functions of `Service`, on a separate listener.

`create_console` makes the ASGI app. Pages are rendered here and work without script; static/updates.js keeps
them up to date.
"""

from __future__ import annotations

from hogline.console.app import create_console
from hogline.console.context import Console

__all__ = ["Console", "create_console"]
