"""hogline accounts (list, add, remove, role, password): who may use the console."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, moment, out, print_json, table_of
from hogline.cli.password import password as set_password
from hogline.cli.password import read_password
from hogline.service.accounts import AccountView

_DEFAULT = Common()

Role = Literal["viewer", "operator", "admin"]
Name = Annotated[str, Parameter(help="The account.")]

accounts = App(name="accounts", help="The accounts that can use the console. List, add, change or remove them.")


@accounts.default
def list_(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List accounts: role, how they sign in, and last sign-in."""
    found = ask(common, lambda service: service.accounts.all())
    if json:
        print_json({"accounts": found})
    elif found:
        out.print(_table(found))
    else:
        out.print("No accounts yet. `hogline serve` creates the first one; `hogline password` sets its password.")


def _table(found: list[AccountView]) -> Table:
    table = table_of("account", "role", "sign-in", "last sign-in")
    for account in found:
        by = "password" if account.has_password else "proxy"
        last = moment(account.signed_in_ms) if account.signed_in_ms else "never"
        table.add_row(Text(account.name), account.role, by, last)
    return table


@accounts.command
def add(
    name: Annotated[str, Parameter(help="A name or an email address.")],
    /,
    *,
    role: Annotated[Role, Parameter(help="viewer: read only. operator: also run things. admin: also set things up.")],
    password: Annotated[
        bool,
        Parameter(help="Ask for a password, or read it from standard input. Without one, only a proxy can sign it in."),
    ] = True,
    common: Common = _DEFAULT,
) -> None:
    """Add an account."""
    chosen = read_password(name) if password else None
    made = ask(common, lambda service: service.accounts.add(name, role, chosen))
    out.print(f"Added {made.name} as {made.role}.", markup=False)


@accounts.command
def remove(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Remove an account. Anyone signed in with it is signed out immediately."""
    ask(common, lambda service: service.accounts.remove(name))
    out.print(f"Removed {name}.", markup=False)


@accounts.command
def role(name: Name, new: Annotated[Role, Parameter(help="The new role.")], /, *, common: Common = _DEFAULT) -> None:
    """Change an account's role. It applies from the next request."""
    changed = ask(common, lambda service: service.accounts.set_role(name, new))
    out.print(f"{changed.name} is now {changed.role}.", markup=False)


accounts.command(set_password, name="password")
