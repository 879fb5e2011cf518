"""hogline api-tokens (list, add, revoke): what programs need to use the HTTP API."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, moment, out, print_json, table_of
from hogline.service.api_tokens import ApiTokenView

_DEFAULT = Common()

Role = Literal["viewer", "operator", "admin"]

api_tokens = App(name="api-tokens", help="Tokens for the HTTP API. List, add or revoke them.")


@api_tokens.default
def list_(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List API tokens: role, expiry and last use."""
    found = ask(common, lambda service: service.api_tokens.all())
    if json:
        print_json({"api_tokens": found})
    elif found:
        out.print(_table(found))
    else:
        out.print("No API tokens yet. Run `hogline api-tokens add NAME --role viewer` to create one.")


def _table(found: list[ApiTokenView]) -> Table:
    table = table_of("token", "role", "created", "expires", "last used")
    for token in found:
        expires = moment(token.expires_ms) if token.expires_ms else "never"
        used = moment(token.used_ms) if token.used_ms else "never"
        table.add_row(Text(token.name), token.role, moment(token.made_ms), expires, used)
    return table


@api_tokens.command
def add(
    name: Annotated[str, Parameter(help="Name it after the program that uses it.")],
    /,
    *,
    role: Annotated[Role, Parameter(help="viewer: read only. operator: also run things. admin: also set things up.")],
    days: Annotated[int | None, Parameter(help="Days until it expires (default: never).")] = None,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Create an API token and print it. Hogline stores only a hash and cannot show it again."""
    made = ask(common, lambda service: service.api_tokens.make(name, role, days))
    if json:
        print_json(made)
    else:
        out.print(made.token, markup=False, highlight=False, soft_wrap=True)


@api_tokens.command
def revoke(
    name: Annotated[str, Parameter(help="The token's name, as shown in the list.")], /, *, common: Common = _DEFAULT
) -> None:
    """Revoke an API token. It stops working immediately."""
    ask(common, lambda service: service.api_tokens.revoke(name))
    out.print(f"Revoked {name}.", markup=False)
