"""What all commands share: where the data is, how to run, how to print, how to fail in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import uvloop
from cyclopts import Parameter

from hogline.cli.printing import err, moment, out, print_json, print_json_line, table_of
from hogline.runtime.wiring import service_for
from hogline.service import Service
from hogline.settings import Settings, read_settings
from hogline.telemetry.logs import set_up_logs

__all__ = [
    "Common",
    "Failed",
    "Json",
    "ask",
    "err",
    "moment",
    "out",
    "print_json",
    "print_json_line",
    "run",
    "table_of",
]

T = TypeVar("T")


class Failed(Exception):
    """The command did what it could and has to end with exit code 1; all has been said already."""


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    data: Annotated[Path | None, Parameter(help="The data directory (HOGLINE_DATA).")] = None

    def settings(self, *, logs: bool = False) -> Settings:
        """The settings; without `logs` only what goes wrong is logged, as the command says the rest itself."""
        settings = read_settings(data=self.data)
        set_up_logs(settings.log_format, settings.log_level if logs else "error")
        return settings


Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for programs.")]


def run(work: Coroutine[object, object, T]) -> T:
    # The threads that write have to win the interpreter's lock back after every statement. While events are planned
    # they would wait Python's 5 ms each time, and everybody who waits for their commit with them.
    sys.setswitchinterval(0.000_5)
    return uvloop.run(work)


def ask(common: Common, call: Callable[[Service], Awaitable[T]], *, delivers: bool = False) -> T:
    """What the service answers: the running one's, or our own for the moment of asking. `delivers`: our own runs the
    connections as long as the call lasts.
    """

    async def work() -> T:
        async with service_for(common.settings(), delivers=delivers) as service:
            return await call(service)

    return run(work())
