"""Whether Customer.io has what Hogline believes it has, asked of its App API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, get_args

from hogline.clock import Clock
from hogline.core.ledger import row_name
from hogline.delivery.workers import Workers
from hogline.destinations.base import Send, Unreachable
from hogline.destinations.customerio import app_api
from hogline.destinations.customerio.app_api import NotAnswered
from hogline.destinations.customerio.options import Options
from hogline.model import Identifier, IdentifierKind, Request, Response
from hogline.service.core import CannotDo, connection_named, opened
from hogline.service.people import Believed, Looked, look_at
from hogline.store.base import Connection, State
from hogline.views.people import Difference, Verified

T = TypeVar("T")

MOST_AT_ONCE = 1_000
_PAUSE_S = 1.02 / app_api.PER_SECOND
_TRIES = 6
_MOST_PAGES = 100
"""Of failed changes: 10,000."""


class Verification:
    def __init__(self, state: State, send: Send, clock: Clock, workers: Workers) -> None:
        self._state = state
        self._send = send
        self._clock = clock
        self._workers = workers

    async def people(
        self, connection: str, *, sample: int = 0, after: str = "", limit: int = MOST_AT_ONCE
    ) -> list[str]:
        """People whom the connection has sent: some at random, or the next ones in order."""
        one = await connection_named(self._state, connection)
        return await self._state.told_people(one.id, sample=sample, after=after, limit=min(limit, MOST_AT_ONCE))

    async def silent_refusals(self, connection: str, app_key: str) -> list[str]:
        """People with a change that Customer.io dropped in the last 30 days."""
        one = await connection_named(self._state, connection)
        options, looked = self._asks(one, app_key)
        found: dict[str, None] = {}
        start = ""
        for _ in range(_MOST_PAGES):
            request = app_api.failures_request(options.base_url, app_key, start)
            failed, start = await self._read(request, app_api.read_failures)
            for each in failed:
                if each.id is not None:
                    row = row_name(Identifier("id", each.id))
                    ids = [its.person for its in self._state.ledger(one.id, [row]).values()] or [each.id]
                else:
                    ids = await self._state.with_email(each.email or "")
                found.update({looked.name(id_): None for id_ in ids if looked.knows(id_)})
            if not start:
                break
        return list(found)

    async def compare(self, connection: str, app_key: str, people: Sequence[str]) -> Verified:
        """Compare these people, at most `MOST_AT_ONCE`, with what Customer.io has."""
        one = await connection_named(self._state, connection)
        options, looked = self._asks(one, app_key)
        await self._workers.flush()
        believed = [each for name in people[:MOST_AT_ONCE] if (each := looked.believed(name)) is not None]
        differences: list[Difference] = []
        for kind in get_args(IdentifierKind):
            of_kind = [each for each in believed if each.customer.kind == kind]
            for begin in range(0, len(of_kind), app_api.MOST_PEOPLE):
                some = of_kind[begin : begin + app_api.MOST_PEOPLE]
                ids = [each.customer.value for each in some]
                request = app_api.people_request(options.base_url, app_key, kind, ids)
                found = await self._read(request, partial(app_api.read_people, kind))
                for each in some:
                    value = each.customer.value
                    differences += _differences(each, found.get(value.lower() if kind == "email" else value))
        return Verified(people=len(believed), unsettled=len(people) - len(believed), differences=differences)

    def _asks(self, connection: Connection, app_key: str) -> tuple[Options, Looked]:
        if connection.destination != "customerio":
            raise CannotDo("Only connections to Customer.io can be verified.")
        if not app_api.is_key(app_key):
            raise CannotDo("This is not an App API key. Create one in Customer.io: Settings, API Credentials.")
        looked = look_at(connection, self._state)
        assert looked is not None  # Customer.io has people
        options: Any = opened(connection).options
        return options, looked

    async def _read(self, request: Request, read: Callable[[Response], T]) -> T:
        """Raises `CannotDo`."""
        for number in range(_TRIES):
            await self._clock.sleep(_PAUSE_S)
            try:
                response = await self._send(request)
            except Unreachable as why:
                raise CannotDo(f"Customer.io's App API cannot be reached: {why}.") from None
            if not app_api.is_busy(response) or number == _TRIES - 1:
                break
            await self._clock.sleep(2.0**number)
        try:
            return read(response)
        except NotAnswered as why:
            raise CannotDo(str(why)) from None


def _differences(believed: Believed, found: Any) -> list[Difference]:  # noqa: ANN401  # attributes, or None
    person = believed.person
    if found is None:
        return [Difference(person, "missing")]
    differences = []
    email = found.get("email")
    if believed.email is not None and not (isinstance(email, str) and email.lower() == believed.email):
        differences.append(Difference(person, "email", "email"))
    differences += [
        Difference(person, "attribute", name)
        for name, value in sorted(believed.attributes.items())
        if not app_api.same(value, found.get(name))
    ]
    return differences
