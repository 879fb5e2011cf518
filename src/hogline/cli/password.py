"""hogline password."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import Common, ask, out
from hogline.service import Mistake
from hogline.store.access import FIRST

_DEFAULT = Common()


def password(account: Annotated[str, Parameter(help="Whose.")] = FIRST, /, *, common: Common = _DEFAULT) -> None:
    """Set the password of a console account: asked for, or read from standard input. Whoever is signed in with the old
    one has to sign in again.
    """
    chosen = read_password(account)
    ask(common, lambda service: service.set_password(chosen, account))
    out.print(f"The password of {account} is set.", markup=False)


def read_password(account: str) -> str:
    """Asked for twice at a terminal, else the first line of standard input. Raises `Mistake`."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    chosen = getpass(f"New password for {account}: ")
    if getpass("Once more: ") != chosen:
        raise Mistake("The passwords do not match. Nothing was changed.")
    return chosen
