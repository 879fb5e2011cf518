"""What each role can do: one table, which the console, the API, the socket and the documentation go by."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints
from unittest.mock import MagicMock

import pytest
from service_bench import GOOD, ServiceBench, bench_in

from hogline.console.api.endpoints import Endpoint
from hogline.console.api.resources import ENDPOINTS
from hogline.service import Service
from hogline.service.actor import Actor, actor, system_user
from hogline.service.rights import RIGHTS, Forbidden, may, permitted
from hogline.store.datadir.roles import ROLES, Role

pytestmark = pytest.mark.anyio

OWN = {"alerts.watch", "alerts.look", "backlogs.bound", "backlogs.skip", "api_tokens.note_use", "finder.chosen"}
OWN |= {"finder.whole", "finder.in_journal", "backfills.cancel_all_of", "backfills.forget_rows", "backfills.start"}
OWN |= {"backfills.continue_all"}
OWN |= {"backfills.stop", "forgetting.start", "project_tokens.start", "fetching.run", "fetching.stop"}
OWN |= {"backfills.fail", "backfills.read_again", "history.stop", "events.latest_of"}
"""Of the process, the API and other parts: no question of a user's."""
QUESTIONS = sorted(
    f"{part}.{name}"
    for part, kind in get_type_hints(Service).items()
    for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction)
    if not name.startswith("_") and f"{part}.{name}" not in OWN
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", GOOD, name="shop")
        yield made


def test_every_question_stands_in_the_table_once_and_nothing_else() -> None:
    assert sorted(function for right in RIGHTS for function in right.functions) == QUESTIONS


@pytest.mark.parametrize("function", QUESTIONS)
def test_whoever_is_more_may_all_that_others_may(function: str) -> None:
    allowed = [may(role, function) for role in ROLES]
    assert allowed == sorted(allowed)
    assert allowed[-1]


CANNOT: list[tuple[Role, str]] = [
    (role, function) for role in ROLES for function in QUESTIONS if not may(role, function)
]


@pytest.mark.parametrize(("role", "function"), CANNOT)
async def test_what_a_role_may_not_is_refused_before_anything_happens(
    bench: ServiceBench, role: Role, function: str
) -> None:
    theirs = permitted(bench.service, Actor(name="ada", kind="account", role=role))
    with pytest.raises(
        Forbidden, match=r"^This needs the role \w+; ada has the role \w+\. An admin can change that\.$"
    ):
        await attrgetter(function)(theirs)()


async def test_what_is_asked_is_asked_in_their_name(bench: ServiceBench) -> None:
    ada = Actor(name="ada", kind="account", role="operator", address="192.0.2.1")
    await permitted(bench.service, ada).connections.pause("shop")
    assert actor().name == "hogline"
    (entry, *_) = await bench.service.audit.newest()
    assert (entry.who, entry.kind, entry.address, entry.action) == (
        "ada",
        "account",
        "192.0.2.1",
        "connection_disabled",
    )


@pytest.mark.parametrize(
    "name", ["start", "close", "api_tokens.find", "alerts.watch", "trail", "state", "addresses", "nothing"]
)
async def test_what_is_no_question_cannot_be_asked(bench: ServiceBench, name: str) -> None:
    with pytest.raises(AttributeError):
        attrgetter(name)(permitted(bench.service, system_user()))


async def test_every_endpoint_of_the_api_says_its_least_role() -> None:
    least = {f"{one.method} {one.path}": one.least_role for one in ENDPOINTS}
    assert least["GET /api/connections"] == "viewer"
    assert least["POST /api/connections/{name}/resume"] == "operator"
    assert least["PATCH /api/connections/{name}"] == "admin"
    assert least["GET /api/audit"] == "admin"


class Recorder:
    """A service that writes down what it is asked."""

    def __init__(self, part: str = "") -> None:
        self.part = part
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if not self.part:
            part = Recorder(name)
            part.asked = self.asked
            return part

        async def asked(*_: object, **__: object) -> Any:
            function = f"{self.part}.{name}"
            self.asked.append(function)
            shop = SimpleNamespace(name="shop")
            found = {"connections.all": [shop], "status.show": SimpleNamespace(connections=[shop])}
            return found.get(function) or MagicMock()

        return asked


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
async def test_an_endpoint_asks_what_it_declares(endpoint: Endpoint) -> None:
    body = MagicMock(who="zoe", distinct_id="", ids=[1], reason=None, all=False, events=[], options={})
    given = {"name": "shop", "source": "posthog", "key": "customerio", "body": body}
    recorder = Recorder()
    arguments = {one.name: given.get(one.name, one.default) for one in endpoint.parameters}
    with suppress(TypeError):  # of what it makes of an answer that is none
        await endpoint.function(recorder, **arguments)
    assert endpoint.asks in recorder.asked or (endpoint.asks, recorder.asked) == ("", [])
    assert all(may(endpoint.least_role, function) for function in recorder.asked)
