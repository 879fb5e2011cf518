"""Log lines: what happened, as short names and values. Never a payload, a secret, or personal data."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

from hogline.escaping import escaped
from hogline.telemetry.crash import hide_texts_of_crashes


def set_up_logs(form: Literal["console", "json"], level: str) -> None:
    """Log lines go to standard error, because standard output is for results."""
    as_text: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _escape,
            as_text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Everything that matters from libraries comes as an exception. Their texts may quote data.
    logging.getLogger().handlers = [logging.NullHandler()]
    hide_texts_of_crashes()


def _escape(
    _logger: structlog.typing.WrappedLogger, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A line may contain a destination's response or an event's name, which must not control a terminal."""
    return {key: escaped(value) if isinstance(value, str) else value for key, value in line.items()}
