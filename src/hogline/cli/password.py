"""hogline password."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import Common, ask, out
from hogline.service import CannotDo
from hogline.store.datadir.accounts import FIRST

_DEFAULT = Common()


def password(account: Annotated[str, Parameter(help="The account.")] = FIRST, /, *, common: Common = _DEFAULT) -> None:
    """Set a console account's password. Hogline asks for it, or reads it from standard input.

    Anyone signed in with the old password has to sign in again.
    """
    chosen = read_password(account)
    ask(common, lambda service: service.accounts.set_password(chosen, account))
    out.print(f"The password for {account} was changed.", markup=False)


def read_password(account: str) -> str:
    """Asked for twice at a terminal, else the first line of standard input. Raises `CannotDo`."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    chosen = getpass(f"New password for {account}: ")
    if getpass("Repeat it: ") != chosen:
        raise CannotDo("The passwords do not match. Nothing was changed.")
    return chosen
