"""hogline people (list, show, forget, export, suppress, unsuppress). `resend` has its own module."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, out, print_json, table_of
from hogline.cli.resend import resend
from hogline.service import Service
from hogline.service.attributes import STANDINGS, attributes
from hogline.service.exporting import as_json
from hogline.service.forgetting import counted, left
from hogline.views.people import ForgottenView, PersonView

_DEFAULT = Common()


people = App(
    name="people",
    help="Known people: how each is sent, or why not. List, show, export, forget or suppress them.",
)


@people.default
def list_(
    text: Annotated[str, Parameter(help="Part of a distinct_id or an email.")] = "",
    /,
    *,
    connection: Annotated[str, Parameter(help="Only this connection (default: all).")] = "",
    after: Annotated[str, Parameter(help="Continue after this distinct_id.")] = "",
    limit: Annotated[int, Parameter(help="Maximum per connection.")] = 100,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """List people: how each is sent, or why not."""
    found = ask(common, lambda service: service.people.find(text, connection=connection, after=after, limit=limit))
    if json:
        print_json({"people": found})
    elif found:
        out.print(people_table(found))
        if len(found) >= limit:
            out.print(f"For more, add --after {found[-1].distinct_id}", style="dim", markup=False)
    else:
        out.print("No match." if text else "No people yet.")


@people.command
def show(
    connection: Annotated[str, Parameter(help="The connection.")],
    distinct_id: Annotated[str, Parameter(help="The person's distinct_id; `hogline people` lists them.")],
    /,
    *,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show one person: what PostHog says, what the destination has, merged ids and recent events."""
    details = ask(common, lambda service: service.people.show(connection, distinct_id))
    if json:
        print_json(details)
        return
    out.print(people_table([details.person]))
    if details.person.attributes:
        out.print()
        out.print(attributes_table(details.person))
    if details.held:
        out.print()
        out.print(f"{details.held} held events, to be sent once this person qualifies.")
    if details.joined:
        out.print()
        out.print("Merged ids", style="bold")
        for one in details.joined:
            out.print(Text(f"  {one.distinct_id}  {_became(one)}"))
    if details.relationships:
        out.print()
        out.print(Text("Objects: " + ", ".join(details.relationships)))
    if details.recent:
        out.print()
        out.print("Recent events", style="bold")
    for event in details.recent:
        out.print(Text(f"  {event.event or '(no longer stored)'}  {event.outcome}"))


Who = Annotated[str, Parameter(help="A distinct_id or an email.")]


people.command(resend)


@people.command
def forget(
    who: Who,
    /,
    *,
    suppress: Annotated[bool, Parameter(negative="", help="Also drop their future events.")] = False,
    everybody: Annotated[bool, Parameter(name="--all", negative="", help="Forget all people with this email.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Delete a person at the destinations, then everything about them here. You cannot undo this.

    This includes every id merged into the person. If several people have the email, Hogline lists them and deletes
    nothing: give one of their ids, or --all. Exits with 1 if there is no match.
    """
    forgotten = ask(common, lambda service: service.forgetting.forget(who, suppress=suppress, everybody=everybody))
    if json:
        print_json(forgotten)
        return
    _print_forgotten(forgotten)


@people.command
def export(
    who: Who,
    /,
    *,
    everybody: Annotated[bool, Parameter(name="--all", negative="", help="Export all people with this email.")] = False,
    common: Common = _DEFAULT,
) -> None:
    """Print everything stored about a person as JSON, for example for a GDPR access request (Article 15).

    `hogline people export ada@example.com > ada.json`. Exits with 1 if there is no match.
    """

    async def write(service: Service) -> None:
        exported = await service.exports.person(who, everybody=everybody)
        async for piece in as_json(exported, service.exports.events):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    ask(common, write)


@people.command(name="suppress")
def suppress_(who: Who, /, *, common: Common = _DEFAULT) -> None:
    """Drop future events with this id or email. Use it for someone Hogline does not know yet.

    Hogline stores only a hash, so it cannot list who is suppressed.
    """
    ask(common, lambda service: service.forgetting.suppress(who))
    out.print("Suppressed. To reverse this, run `hogline people unsuppress` with the same id or email.")


@people.command
def unsuppress(who: Who, /, *, common: Common = _DEFAULT) -> None:
    """Reverse a suppression. Exits with 1 if there was none.

    Hogline accepts everything again that was suppressed together with this id or email. At the destinations it can only
    reverse this id or email, because it no longer knows the others.
    """
    ask(common, lambda service: service.forgetting.unsuppress(who))
    out.print("No longer suppressed. New events are processed again.")


def _print_forgotten(forgotten: ForgottenView) -> None:
    out.print(f"Forgotten: one person with {counted(forgotten.ids, 'id')}." if forgotten.ids else "Forgotten.")
    table = Table(box=None, show_header=False, pad_edge=False)
    for one in forgotten.connections:
        there = one.not_reached or f"{counted(one.customers, 'customer')} deleted, confirmed by {one.destination}"
        here = ", ".join((counted(one.people, "id"), counted(one.held, "held event"), counted(one.failures, "failure")))
        table.add_row(
            Text(one.connection), Text(there, style="yellow" if one.not_reached else ""), Text(f"here {here}")
        )
    table.add_row("journal", counted(forgotten.events, "event"), "")
    out.print(table)
    for sentence in left(forgotten):
        out.print(sentence, markup=False)
    if forgotten.suppressed:
        out.print("This person is suppressed. Future events with these ids and emails are dropped.")


def _became(person: PersonView) -> str:
    customer = f"{person.customer.kind} {person.customer.value}" if person.customer else "no profile"
    return f"{customer}, {person.became}" if person.became else customer


def attributes_table(person: PersonView) -> Table:
    """What PostHog says of somebody, and what happened to it at the destination."""
    table = table_of("attribute", "PostHog says", f"at {person.connection}")
    for one in attributes(person):
        said = Text("(removed)", style="dim") if one.value is None else Text(_shown(one.value))
        there = Text(f"{STANDINGS[one.state].lower()}{': ' if one.why else ''}{one.why}")
        there.stylize("" if one.state == "accepted" else "yellow")
        table.add_row(Text(one.name), said, there)
    return table


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def people_table(found: list[PersonView]) -> Table:
    several = len({person.connection for person in found}) > 1
    table = table_of(*("connection",) * several, "distinct_id", "email", "identified", "customer", "attributes")
    for person in found:
        if person.joined_into is not None:
            customer = Text(f"merged into {person.joined_into} ({_became(person)})", style="dim")
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
