"""hogline people (list, show, forget): who we know, as what, sent or not and why."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, out, print_json
from hogline.views import PersonView

_DEFAULT = Common()


people = App(
    name="people",
    help="Who we know, as whom the destination knows them, or why they are not sent. List, show or forget them.",
)


@people.default
def list_(
    text: Annotated[str, Parameter(help="Part of a distinct_id or an email.")] = "",
    /,
    *,
    connection: Annotated[str, Parameter(help="At this connection only (default: all).")] = "",
    after: Annotated[str, Parameter(help="Continue behind this distinct_id.")] = "",
    limit: Annotated[int, Parameter(help="At most so many for each connection.")] = 100,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """List people: as whom the destination knows them, or why they are not sent."""
    found = ask(common, lambda service: service.people(text, connection=connection, after=after, limit=limit))
    if json:
        print_json({"people": found})
    elif found:
        out.print(people_table(found))
        if len(found) >= limit:
            out.print(f"More may follow: --after {found[-1].distinct_id}", style="dim", markup=False)
    else:
        out.print("Nobody is known" + (" by that text." if text else " yet."))


@people.command
def show(
    connection: Annotated[str, Parameter(help="The connection.")],
    distinct_id: Annotated[str, Parameter(help="Whose; `hogline people` finds them.")],
    /,
    *,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show one person: what was accepted, who was joined into them, what became of their last events."""
    details = ask(common, lambda service: service.person(connection, distinct_id))
    if json:
        print_json(details)
        return
    out.print(people_table([details.person]))
    if details.held:
        out.print(f"\n{details.held} held events wait until they qualify.")
    if details.joined:
        out.print("\nJoined into them", style="bold")
        for one in details.joined:
            out.print(Text(f"  {one.distinct_id}  {_became(one)}"))
    if details.relationships:
        out.print(Text("\nBelongs to: " + ", ".join(details.relationships)))
    if details.recent:
        out.print("\nLast events", style="bold")
    for event in details.recent:
        out.print(Text(f"  {event.event or '(not kept any more)'}  {event.outcome}"))


@people.command
def resend(
    connection: Annotated[str, Parameter(help="The connection.")],
    distinct_id: Annotated[str, Parameter(help="Whom; `hogline people` finds them.")],
    /,
    *,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Say everything of one person once more: after their customer was deleted or changed at the destination."""
    person = ask(common, lambda service: service.resend_person(connection, distinct_id))
    if json:
        print_json(person)
        return
    out.print(f"{person.distinct_id} is sent again to {connection}, with email and attributes.", markup=False)


@people.command
def forget(
    distinct_id: Annotated[str, Parameter(help="Whom: under this id and every id that was joined with it.")],
    /,
    *,
    suppress: Annotated[bool, Parameter(negative="", help="They cannot come back either.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Delete a person at the destinations, and then every trace of them here. It cannot be undone."""
    forgotten = ask(common, lambda service: service.forget_person(distinct_id, suppress=suppress))
    if json:
        print_json(forgotten)
        return
    out.print(
        f"Forgotten: {forgotten.customers} customers at the destinations; here {forgotten.people} ids, "
        f"{forgotten.events} events, {forgotten.held} held events, {forgotten.failures} dead letters."
    )
    if suppress:
        out.print("They are suppressed: what comes under these ids is not sent any more.")


def _became(person: PersonView) -> str:
    customer = f"{person.customer.kind} {person.customer.value}" if person.customer else "was no customer"
    return f"{customer}, {person.became}" if person.became else customer


def people_table(found: list[PersonView]) -> Table:
    several = len({person.connection for person in found}) > 1
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("connection",) * several + ("distinct_id", "email", "identified", "customer", "attributes"):
        table.add_column(title, overflow="fold")
    for person in found:
        if person.joined_into is not None:
            customer = Text(f"joined into {person.joined_into} ({_became(person)})", style="dim")
        elif person.customer:
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
