"""hogline people: who we know, as what, sent or not and why."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, out, print_json
from hogline.views import PersonView

_DEFAULT = Common()


def people(
    text: Annotated[str, Parameter(help="Part of a distinct_id or an email.")] = "",
    /,
    *,
    connection: Annotated[str, Parameter(help="At this connection only (default: all).")] = "",
    after: Annotated[str, Parameter(help="Continue behind this distinct_id.")] = "",
    limit: Annotated[int, Parameter(help="At most so many for each connection.")] = 100,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Who we know, as whom the destination knows them, or why they are not sent."""
    found = ask(common, lambda service: service.people(text, connection=connection, after=after, limit=limit))
    if json:
        print_json({"people": found})
    elif found:
        out.print(people_table(found))
        if len(found) >= limit:
            out.print(f"More may follow: --after {found[-1].distinct_id}", style="dim", markup=False)
    else:
        out.print("Nobody is known" + (" by that text." if text else " yet."))


def people_table(found: list[PersonView]) -> Table:
    several = len({person.connection for person in found}) > 1
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("connection",) * several + ("distinct_id", "email", "identified", "customer", "attributes"):
        table.add_column(title, overflow="fold")
    for person in found:
        if person.customer:
            customer = Text(f"{person.customer.kind} {person.customer.value}", style="green")
        else:
            customer = Text(f"not sent: {person.not_sent or 'nothing to send yet'}", style="yellow")
        attributes = ", ".join(
            f"{name}={value}" for name, value in person.attributes.items() if name != "email" and value is not None
        )
        row = (
            Text(person.distinct_id),
            Text(person.email or ""),
            "yes" if person.identified else "",
            customer,
            Text(attributes),
        )
        table.add_row(*((person.connection,) * several), *row)
    return table
