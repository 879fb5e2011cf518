"""What each role can do: one table, which the console, the API, the socket and the documentation go by."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_bench import GOOD, Bench, bench_in

from hogline.console.api.resources import ENDPOINTS
from hogline.service import Service
from hogline.service.actor import Actor, actor, system_user
from hogline.service.rights import RIGHTS, Forbidden, may, permitted
from hogline.store.datadir.roles import ROLES, Role

pytestmark = pytest.mark.anyio

OWN = {"watch_alerts", "look_for_alerts", "bound_backlogs", "start", "close", "api_token_used"}
"""Of the process and the API: no question of a user's."""
QUESTIONS = sorted(
    name
    for name, method in inspect.getmembers(Service, inspect.iscoroutinefunction)
    if not name.startswith("_") and name not in OWN
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_in(tmp_path) as made:
        await made.service.connect("customerio", GOOD, name="shop")
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
async def test_what_a_role_may_not_is_refused_before_anything_happens(bench: Bench, role: Role, function: str) -> None:
    theirs = permitted(bench.service, Actor(name="ada", kind="account", role=role))
    with pytest.raises(
        Forbidden, match=r"^This needs the role \w+; ada has the role \w+\. An admin can change that\.$"
    ):
        await getattr(theirs, function)()


async def test_what_is_asked_is_asked_in_their_name(bench: Bench) -> None:
    ada = Actor(name="ada", kind="account", role="operator", address="192.0.2.1")
    await permitted(bench.service, ada).pause("shop")
    assert actor().name == "hogline"
    (entry, *_) = await bench.service.audit()
    assert (entry.who, entry.kind, entry.address, entry.action) == (
        "ada",
        "account",
        "192.0.2.1",
        "connection_disabled",
    )


@pytest.mark.parametrize("name", ["start", "close", "api_token", "_find", "trail", "_state", "console", "nothing"])
async def test_what_is_no_question_cannot_be_asked(bench: Bench, name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(permitted(bench.service, system_user()), name)


async def test_every_endpoint_of_the_api_says_its_least_role() -> None:
    least = {f"{one.method} {one.path}": one.least_role for one in ENDPOINTS}
    assert least["GET /api/connections"] == "viewer"
    assert least["POST /api/connections/{name}/resume"] == "operator"
    assert least["PATCH /api/connections/{name}"] == "admin"
    assert least["GET /api/audit"] == "admin"
