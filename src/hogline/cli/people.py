"""hogline people (list, show, resend, forget, export, suppress, …): who we know, as what, sent or not and why."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, out, print_json
from hogline.service import Service
from hogline.service.exporting import as_json
from hogline.service.forgetting import counted, left
from hogline.standing import STANDINGS, attributes
from hogline.views import ForgottenView, PersonView

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
    """Show one person: what PostHog says of them beside what the destination has, and what became of their events."""
    details = ask(common, lambda service: service.person(connection, distinct_id))
    if json:
        print_json(details)
        return
    out.print(people_table([details.person]))
    if details.person.attributes:
        out.print()
        out.print(attributes_table(details.person))
    if details.held:
        out.print()
        out.print(f"{details.held} held events wait until they qualify.")
    if details.joined:
        out.print()
        out.print("Joined into them", style="bold")
        for one in details.joined:
            out.print(Text(f"  {one.distinct_id}  {_became(one)}"))
    if details.relationships:
        out.print()
        out.print(Text("Belongs to: " + ", ".join(details.relationships)))
    if details.recent:
        out.print()
        out.print("Last events", style="bold")
    for event in details.recent:
        out.print(Text(f"  {event.event or '(not kept any more)'}  {event.outcome}"))


Who = Annotated[str, Parameter(help="An id (distinct_id), or an email.")]


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
    who: Who,
    /,
    *,
    suppress: Annotated[bool, Parameter(negative="", help="Keep them away for good, too.")] = False,
    everybody: Annotated[bool, Parameter(name="--all", negative="", help="Forget all people with this email.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Delete a person at the destinations, and then everything about them here. It cannot be undone.

    The person is meant with every id that was joined. If several people have the email, it says who they are and
    forgets nobody: give one of their ids, or --all. Exits with 1 if nobody was found.
    """
    forgotten = ask(common, lambda service: service.forget_person(who, suppress=suppress, everybody=everybody))
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
    """Print everything that is kept about a person, as JSON: for a request under Article 15 of the GDPR.

    `hogline people export ada@example.com > ada.json`. Exits with 1 if nobody was found.
    """

    async def write(service: Service) -> None:
        exported = await service.export_person(who, everybody=everybody)
        async for piece in as_json(exported, service.export_events):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    ask(common, write)


@people.command(name="suppress")
def suppress_(who: Who, /, *, common: Common = _DEFAULT) -> None:
    """Keep somebody away who is not known here: events with this id or email are not kept, only counted.

    Only a hash is stored, so there is no list of who is suppressed.
    """
    ask(common, lambda service: service.suppress_person(who))
    out.print("Suppressed. `hogline people unsuppress` with the same id or email takes it back.")


@people.command
def unsuppress(who: Who, /, *, common: Common = _DEFAULT) -> None:
    """Let somebody in again who was suppressed. Exits with 1 if they were not.

    Everything that was suppressed together with this id or email is let in again here. At the destinations it is this
    id or email, since Hogline no longer knows the others.
    """
    ask(common, lambda service: service.unsuppress_person(who))
    out.print("Not suppressed any more. Their next events are kept and sent.")


def _print_forgotten(forgotten: ForgottenView) -> None:
    out.print(f"Forgotten: one person with {counted(forgotten.ids, 'id')}." if forgotten.ids else "Forgotten.")
    table = Table(box=None, show_header=False, pad_edge=False)
    for one in forgotten.connections:
        there = one.not_reached or f"{counted(one.customers, 'customer')} deleted, confirmed by {one.destination}"
        here = ", ".join(
            (counted(one.people, "id"), counted(one.held, "held event"), counted(one.failures, "dead letter"))
        )
        table.add_row(
            Text(one.connection), Text(there, style="yellow" if one.not_reached else ""), Text(f"here {here}")
        )
    table.add_row("journal", counted(forgotten.events, "event"), "")
    out.print(table)
    for sentence in left(forgotten):
        out.print(sentence, markup=False)
    if forgotten.suppressed:
        out.print("They are suppressed: what comes under these ids and emails is not kept any more.")


def _became(person: PersonView) -> str:
    customer = f"{person.customer.kind} {person.customer.value}" if person.customer else "was no customer"
    return f"{customer}, {person.became}" if person.became else customer


def attributes_table(person: PersonView) -> Table:
    """What PostHog says of somebody, and what became of it at the destination."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("attribute", "PostHog says", f"at {person.connection}"):
        table.add_column(title, overflow="fold")
    for one in attributes(person):
        said = Text("(taken away)", style="dim") if one.value is None else Text(_shown(one.value))
        there = Text(f"{STANDINGS[one.state].lower()}{': ' if one.why else ''}{one.why}")
        there.stylize("" if one.state == "accepted" else "yellow")
        table.add_row(Text(one.name), said, there)
    return table


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


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
