"""hogline people resend."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import Common, Json, ask, err, out, print_json, run
from hogline.cli.failures import goes_on
from hogline.cli.progress import Progress
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo, Service
from hogline.service.resending import ResendingView

_DEFAULT = Common()
SAY_EVERY_S = 0.5


def resend(
    connection: Annotated[str, Parameter(help="The connection.")],
    who: Annotated[str, Parameter(help="An id, or an email that one person has; `hogline people` finds them.")] = "",
    /,
    *,
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="Every customer. Live events still go first.")
    ] = False,
    cancel: Annotated[bool, Parameter(negative="", help="Stop sending everyone again.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Send everything about one person, or everyone, again, after customers were deleted or changed at the
    destination. Events are not sent again.

    With --all, the command shows how far it is. Interrupting it stops nothing: the server goes on, also after a
    restart. The same command shows it again, and --cancel stops it.
    """
    if sum((bool(who), all_, cancel)) != 1:
        raise CannotDo("Give an id, an email, --all or --cancel.")
    if cancel:
        _print(ask(common, lambda service: service.resending.cancel(connection)), "Stopped", json=json)
    elif all_:
        _print(run(_everyone(connection, common, json=json)), "", json=json)
    else:
        person = ask(common, lambda service: service.resending.person(connection, who))
        if json:
            print_json(person)
            return
        out.print(f"{person.distinct_id} is sent again to {connection}, with email and attributes.", markup=False)


async def _everyone(connection: str, common: Common, *, json: bool) -> ResendingView:
    async with service_for(common.settings(), delivers=True) as service:
        view = await service.resending.everyone(connection)
        with Progress(json=json) as progress:
            try:
                return await _followed(service, view, progress)
            except asyncio.CancelledError:
                err.print(
                    f"It is not over: `hogline serve` goes on. To stop it: hogline people resend {connection} --cancel"
                )
                raise


async def _followed(service: Service, view: ResendingView, progress: Progress) -> ResendingView:
    people = view.people
    while view.left:
        progress.people(people - view.left, people)
        if not await goes_on(service, view.connection):
            break
        await asyncio.sleep(SAY_EVERY_S)
        view = await service.resending.show(view.connection)
    return ResendingView(connection=view.connection, everyone=True, people=people, left=view.left)


def _print(view: ResendingView, how: str, *, json: bool) -> None:
    if json:
        print_json(view)
    elif not view.everyone:
        out.print(f"{view.connection} is not sending everyone again.", markup=False)
    else:
        done = f"{view.people - view.left:,} of {view.people:,} people were sent again to {view.connection}."
        out.print(f"{how}: {done}" if how else done, markup=False)
