"""A data directory of before joins and held events: everything in it is kept, and all that is new works on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hogline.core.changes import Flush, HeldEvent, Settlement
from hogline.core.known import Fact, Id, Person
from hogline.core.sync import fingerprint
from hogline.core.told import Customer, Mark
from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.database import migrations, open_database
from hogline.store.sqlite.state import SqliteState

pytestmark = pytest.mark.anyio

NOW_MS = 1_793_527_200_000
EVENT = encode_event(Event("0199f3a0-0000-7000-8000-000000000001", "x", "ada", NOW_MS, NOW_MS, {}))

# As version 1 wrote them.
ADA = {
    "distinct_id": "ada",
    "identified": True,
    "email": "Ada@example.com",
    "customer": {"kind": "id", "value": "ada"},
    "linked_email": "Ada@example.com",
    "accepted": {"email": "Ada@example.com", "plan": "pro"},
    "unsent": {"seats": 3},
    "refused": {"bad": "x"},
    "attributes_ms": NOW_MS,
    "first_seen_ms": 1,
    "last_seen_ms": 2,
}
VISITOR = {"distinct_id": "visitor", "first_seen_ms": 1, "last_seen_ms": 2}


@pytest.fixture
async def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteState]:
    vault = Vault(Vault.new_key())
    options = vault.encrypt(msgspec.json.encode({"site_id": "site", "api_key": "key"}))
    with monkeypatch.context() as patched:
        first = migrations("state")[:1]
        patched.setattr("hogline.store.sqlite.database.migrations", lambda _: first)
        old = open_database(tmp_path / "state.db", "state")
    old.execute(
        "INSERT INTO connections (name, destination, options, enabled, start, created_ms)"
        " VALUES ('customerio', 'customerio', ?, 1, 0, 0)",
        (options,),
    )
    for person in (ADA, VISITOR):
        email = str(person["email"]).lower() if "email" in person else None
        old.execute(
            "INSERT INTO people VALUES (1, ?, ?, ?)",
            (person["distinct_id"], email, msgspec.json.encode(person).decode()),
        )
    old.execute("INSERT INTO counters VALUES (1, 'delivered', '', 7), (1, 'filtered', 'not_identified', 2)")
    old.execute("INSERT INTO lanes VALUES (1, 3, 9)")
    old.execute(
        "INSERT INTO dead_letters VALUES (1, 8, ?, 'invalid', 5, 0, ?, ?)",
        ("0199f3a0-0000-7000-8000-000000000001", EVENT, b'[{"reason":"invalid"}]'),
    )
    assert old.pragma("user_version") == 1
    old.close()
    opened = SqliteState(tmp_path / "state.db", vault)
    yield opened
    await opened.close()


async def test_everything_that_was_there_is_there(state: SqliteState) -> None:
    (connection,) = await state.connections()
    assert connection.options == {"site_id": "site", "api_key": "key"}
    values = {"email": "Ada@example.com", "plan": "pro", "seats": 3, "bad": "x"}
    facts = {name: Fact(value, NOW_MS, 0) for name, value in values.items()}
    # Of the visitor nothing was known but that they were there.
    assert state.people(["ada", "visitor"]) == {
        "ada": Person("ada", facts, identified_at=0, emailed_at=0, protected=True)
    }
    told = state.told(1, ["ada", "visitor"])
    assert list(told) == ["ada"]
    assert told["ada"].main == Customer(
        "id",
        "ada",
        "accepted",
        "ada@example.com",
        names={"plan": Mark(0, fingerprint("pro"))},
        refused={"bad": Mark(0, fingerprint("x"))},
        said_s=NOW_MS // 1_000,
    )
    counts = await state.counts(1)
    assert (counts.delivered, counts.filtered, counts.failures, counts.held) == (
        7,
        {"not_identified": 2},
        {"invalid": 1},
        0,
    )
    assert await state.lanes(1) == {3: 9}


async def test_people_of_before_are_found(state: SqliteState) -> None:
    assert await state.find_people(1, "EXAMPLE") == ["ada"]
    assert await state.find_people(1, "visit") == []


async def test_people_of_before_can_be_joined_and_held_for(state: SqliteState) -> None:
    held = HeldEvent(position=10, distinct_id="visitor", received_ms=NOW_MS, event=EVENT)
    await state.settle(Settlement(connection=1, lanes={}, held=[held]))
    await state.flush(Flush({"ada": Id(None, 0, 1, ((11, "ada"),)), "visitor": Id("ada", 11)}, {}, 11))
    await state.settle(Settlement(connection=1, lanes={}, absorbed={"visitor": "ada"}))
    assert state.members("ada") == ["visitor"]
    assert [one.position for one in state.held(1, ["ada"])] == [10]


async def test_people_of_before_can_be_forgotten(state: SqliteState, tmp_path: Path) -> None:
    forgotten = await state.forget(["ada"], {1: 0}, emails={})
    assert forgotten[1].failures == 1
    assert (tmp_path / "state.before.db").exists()
    assert await state.clean()
    on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir()).lower()
    assert b"ada@example.com" not in on_disk
