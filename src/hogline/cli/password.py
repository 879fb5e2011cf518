"""hogline password."""

from __future__ import annotations

import sys
from getpass import getpass

from hogline.cli.common import Common, ask, out
from hogline.service import Mistake

_DEFAULT = Common()


def password(*, common: Common = _DEFAULT) -> None:
    """Set the console's password: asked for, or read from standard input. Whoever is signed in has to sign in again."""
    chosen = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    ask(common, lambda service: service.set_console_password(chosen))
    out.print("The console's password is set.")


def _asked() -> str:
    chosen = getpass("New password for the console: ")
    if getpass("Once more: ") != chosen:
        raise Mistake("The two are not the same. The password stays as it was.")
    return chosen
