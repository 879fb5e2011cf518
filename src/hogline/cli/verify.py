"""hogline verify: whether Customer.io has what Hogline believes it has."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from getpass import getpass
from typing import Annotated

from cyclopts import Parameter
from rich.prompt import Confirm

from hogline.cli.common import Common, Failed, Json, err, out, print_json, run
from hogline.cli.spans import milliseconds
from hogline.environment import from_environment
from hogline.reasons import SENDING_STATES, state_word
from hogline.runtime.remote import is_remote
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo, Service
from hogline.views.people import Difference, Verified

_DEFAULT = Common()
AT_ONCE = 1_000
MOST_SHOWN = 50
_SETTING = "customerio_app_api_key"


def verify(
    connection: Annotated[str, Parameter(help="The connection, as in `hogline connections`.")],
    /,
    *,
    sample: Annotated[int, Parameter(help="How many people to compare, chosen at random.")] = 1_000,
    all_: Annotated[bool, Parameter(name="--all", negative="", help="Compare all people.")] = False,
    recheck_after: Annotated[
        str, Parameter(help="Check differences again after this time: changes take up to a minute to be visible.")
    ] = "1m",
    resend: Annotated[bool, Parameter(negative="", help="Send people that differ again, without asking.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Compare what Hogline believes Customer.io has with what it really has: people, emails and attributes.

    Needs an App API key of the workspace: HOGLINE_CUSTOMERIO_APP_API_KEY, or Hogline asks for it. It is not saved.
    Exits with 1 if something differs.
    """
    if sample < 1:
        raise CannotDo("--sample is a number from 1.")
    found, resent = run(
        _verified(
            connection,
            _app_key(),
            0 if all_ else sample,
            milliseconds(recheck_after) / 1_000,
            resend=resend,
            asks=not json and sys.stdin.isatty() and err.is_terminal,
            common=common,
        )
    )
    if json:
        print_json({"verified": found, "resent": resent})
    else:
        _print(found, resent)
    if found.differences:
        raise Failed


def _app_key() -> str:
    if key := from_environment(_SETTING):
        return key
    if not sys.stdin.isatty():
        raise CannotDo("Set HOGLINE_CUSTOMERIO_APP_API_KEY to an App API key, from API Credentials in Customer.io.")
    return getpass("Customer.io App API key: ")


async def _verified(
    connection: str, key: str, sample: int, recheck_after_s: float, *, resend: bool, asks: bool, common: Common
) -> tuple[Verified, int]:
    async with service_for(common.settings(), delivers=resend or asks) as service:
        people = unsettled = 0
        differing: dict[str, None] = {}
        async for some in _people(service, connection, key, sample):
            found = await service.verification.compare(connection, key, some)
            people, unsettled = people + found.people, unsettled + found.unsettled
            differing.update({one.person: None for one in found.differences})
            if asks:
                err.print(f"{people:,} people compared, {len(differing):,} differ", style="dim")
        differences: list[Difference] = []
        if differing:
            await asyncio.sleep(recheck_after_s)
            names = list(differing)
            for begin in range(0, len(names), AT_ONCE):
                again = await service.verification.compare(connection, key, names[begin : begin + AT_ONCE])
                differences += again.differences
        wrong = list(dict.fromkeys(one.person for one in differences))
        resent = 0
        if wrong and (resend or (asks and Confirm.ask(f"Send {len(wrong):,} people again?", console=err))):
            for name in wrong:
                await service.resending.person(connection, name)
            resent = len(wrong)
            if not is_remote(service):
                await _until_sent(service, connection)
        return Verified(people=people, unsettled=unsettled, differences=differences), resent


async def _until_sent(service: Service, connection: str) -> None:
    """Without a running server the command delivers what it asked for, if the connection runs."""
    while (await service.resending.show(connection)).left:
        (one,) = [one for one in (await service.status.show()).connections if one.name == connection]
        if one.state not in SENDING_STATES:
            err.print(f"{connection} is {state_word(one.state)}: they are sent when it runs.", markup=False)
            return
        await asyncio.sleep(0.2)


async def _people(service: Service, connection: str, key: str, sample: int) -> AsyncIterator[list[str]]:
    """Whom Customer.io refused something silently, and then a sample, or everyone (0)."""
    suspicious = await service.verification.silent_refusals(connection, key)
    seen = set(suspicious)
    for begin in range(0, len(suspicious), AT_ONCE):
        yield suspicious[begin : begin + AT_ONCE]
    if sample:
        chosen = [one for one in await service.verification.people(connection, sample=sample) if one not in seen]
        for begin in range(0, len(chosen), AT_ONCE):
            yield chosen[begin : begin + AT_ONCE]
        return
    after = ""
    while some := await service.verification.people(connection, after=after):
        after = some[-1]
        yield [one for one in some if one not in seen]


def _print(found: Verified, resent: int) -> None:
    out.print(f"{found.people:,} people compared, {len(found.differences):,} differences.")
    if found.unsettled:
        out.print(f"{found.unsettled:,} more were not compared: not customers, or with changes on their way.")
    for one in found.differences[:MOST_SHOWN]:
        what = "is missing" if one.kind == "missing" else f"differs: {one.name}"
        out.print(f"  {one.person}  {what}", markup=False)
    if len(found.differences) > MOST_SHOWN:
        out.print(f"  … and {len(found.differences) - MOST_SHOWN:,} more (--json lists all)")
    if resent:
        out.print(f"{resent:,} people are sent again.")
