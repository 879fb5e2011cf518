"""Several processes that deliver one connection at the same time. Real ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from many import Store, freeze, thaw

from hogline.core.lanes import LANES
from hogline.store.datadir.secrets import Vault
from hogline.testing.processes import Running, all_events, connect, everywhere, hogline_json, post, until

LEASE_S = 3.0
USERS = 300


@pytest.fixture
def store(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": str(LEASE_S),
        "HOGLINE_MERGE_DELAY_S": "1",
        "HOGLINE_SHARE_BEHIND_S": "0",
    }
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


def lanes(store: Store) -> list[int]:
    """How many lanes each process carries, those with none left out."""
    return sorted(one["lanes"] for one in store.workers() if one["lanes"])


def says(chance: Random, first: int) -> list[dict[str, object]]:
    """Visitors look at a page, sign up under the id of a user, and come back."""
    made: list[list[dict[str, object]]] = []
    for user in range(first, first + USERS):
        visitor = f"0190d3a5-7c1e-7d2a-9b1a-{user:012d}"
        signs_up = {
            "$anon_distinct_id": visitor,
            "$set": {"email": f"u{user}@example.org", "plan": chance.choice("ab")},
        }
        theirs: list[dict[str, object]] = [
            {"event": "page", "distinct_id": visitor},
            {"event": "$identify", "distinct_id": f"u{user}", "properties": signs_up},
        ]
        theirs += [{"event": "order", "distinct_id": f"u{user}", "properties": {"n": n}} for n in range(5)]
        made.append(theirs)
    mixed: list[dict[str, object]] = []
    while made:
        one = chance.choice(made)
        mixed.append(one.pop(0))
        made = [one for one in made if one]
    return mixed


def orders(customerio: Running) -> dict[str, list[int]]:
    """By customer, the numbers of the orders, as they arrived. Customer.io ignores repeats."""
    found: dict[str, list[int]] = {}
    for event in all_events(customerio.url):
        if event["name"] == "order":
            found.setdefault(event["person"]["cio_id"], []).append(event["data"]["n"])
    return found


def test_three_deliver_one_connection_and_what_a_lost_one_carried_is_carried_by_others(
    store: Store, customerio: Running
) -> None:
    connect(store.folder / "first", customerio.url)
    token = hogline_json(store.folder / "first", "token")["token"]
    chance = Random(4)
    with (
        store.serving("r", "receive") as receiver,
        store.serving("a", "deliver") as a,
        store.serving("b", "deliver") as b,
        store.serving("c", "deliver") as c,
    ):
        until(lambda: lanes(store) == [10, 11, 11])
        first = says(chance, 0)
        for at in range(0, len(first), 100):
            assert post(f"{receiver.url}/batch", {"api_key": token, "batch": first[at : at + 100]}, token) == 200
        owner = next(one for one in (a, b, c) if one.process.pid == store.owner())
        frozen, killed = (one for one in (a, b, c) if one is not owner)
        freeze(frozen)
        killed.kill()
        until(lambda: lanes(store) == [LANES])
        second = says(chance, USERS)
        for at in range(0, len(second), 100):
            assert post(f"{receiver.url}/batch", {"api_key": token, "batch": second[at : at + 100]}, token) == 200
        until(lambda: len(orders(customerio)) == 2 * USERS)
        thaw(frozen)
        until(lambda: lanes(store) == [LANES // 2, LANES // 2])
        owner.kill()
        third = says(chance, 2 * USERS)
        for at in range(0, len(third), 100):
            assert post(f"{receiver.url}/batch", {"api_key": token, "batch": third[at : at + 100]}, token) == 200
        until(lambda: len(orders(customerio)) == 3 * USERS)
        until(lambda: hogline_json(store.folder / "looking", "workers")["connections"][0]["pending"] == 0)
        (status,) = hogline_json(store.folder / "looking", "status")["connections"]
    assert all(numbers == [0, 1, 2, 3, 4] for numbers in orders(customerio).values())
    assert status["received"] == 3 * USERS * 7
    assert status["received"] == status["delivered"] + sum(status["filtered"].values())
