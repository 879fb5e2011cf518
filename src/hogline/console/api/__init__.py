"""The HTTP API: what the pages show and do, as JSON for programs, under `/api` of the console's listener."""

from __future__ import annotations

from hogline.console.api.app import Api

__all__ = ["Api"]
