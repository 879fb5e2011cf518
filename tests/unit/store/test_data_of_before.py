"""A data directory of before what PostHog says and what Customer.io has were two things (`old_data/`, made by the code
of then): everything in it comes over, whatever happens meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import apsw
import msgspec
import pytest
from people_bench import PeopleBench, identify
from structlog.testing import capture_logs
from troubled_disk import troubled_disk

from hogline.core.known import EVER, Known
from hogline.core.lanes import LANES
from hogline.core.sync import fingerprint
from hogline.core.told import Told
from hogline.model import Identifier
from hogline.store.base import Unusable
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.state import SqliteState

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent / "old_data"
EVENTS = 5_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with ZipFile(HERE / "old_data.zip") as packed:
        packed.extractall(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def old() -> dict[int, dict[str, Any]]:
    """What was in it, by connection."""
    with ZipFile(HERE / "old_data.zip") as packed:
        return {int(one): its for one, its in msgspec.json.decode(packed.read("dump.json")).items()}


def vault(folder: Path) -> Vault:
    return Vault((folder / "secret.key").read_text())


def opened(folder: Path, *, vfs: str | None = None) -> SqliteState:
    return SqliteState(folder / "state.db", vault(folder), vfs=vfs)


def content(file: Path) -> dict[str, object]:
    """All rows of all tables, and the version."""
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found: dict[str, object] = {name: sorted(database.execute(f"SELECT * FROM {name}")) for name in tables}  # noqa: S608  # ours
        assert database.pragma("integrity_check") == "ok"
        return {**found, "version": database.pragma("user_version")}


def child(folder: Path, step: int) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([sys.executable, HERE / "convert_until_killed.py", folder, str(step)], stdout=subprocess.PIPE)  # noqa: PLW1510  # ours
    assert done.returncode == -signal.SIGKILL
    return done


# everything comes over


async def test_it_says_what_is_upgraded_and_how_long_that_took(folder: Path) -> None:
    with capture_logs() as told:
        await opened(folder).close()
        await opened(folder).close()
    assert [(one["event"], one["file"]) for one in told] == [
        ("upgrading the data directory", "state.db"),
        ("upgraded the data directory", "state.db"),
    ]
    assert told[0]["to"] == told[1]["schema"] > told[0]["schema"]
    assert told[1]["seconds"] >= 0


async def test_nothing_that_was_counted_refused_or_held_is_lost(folder: Path, old: dict[int, dict[str, Any]]) -> None:
    state = opened(folder)
    known = Known(state, EVER)
    for connection, was in old.items():
        counts = dict(was["counts"])
        counts["failures"] = counts.pop("dead_letters")  # its name then
        assert msgspec.to_builtins(await state.counts(connection)) == counts
        letters = await state.failures(connection, limit=10**6, most_bytes=10**9)
        assert [one.position for one in letters] == was["letters"]
        assert len(was["held"]) == was["counts"]["held"]
        owners = {position: known.who(who) for position, who in was["held"]}
        for who in set(owners.values()):
            assert state.told(connection, [who])[who].has_held
            assert [one.position for one in state.held(connection, [who])] == sorted(
                position for position, owner in owners.items() if owner == who
            )
    assert old[1]["letters"]
    assert old[2]["held"]
    await state.close()


async def test_no_event_is_sent_twice_nor_left_out(folder: Path, old: dict[int, dict[str, Any]]) -> None:
    state = opened(folder)
    for connection, was in old.items():
        last, positions = state.settled_before(connection)
        assert positions == set(was["settled"])
        assert last >= max(was["settled"], default=0)
        lanes = await state.lanes(connection)
        assert [lanes.get(number, 0) for number in range(LANES)] == [was["least"]] * LANES
    assert state.folded() == min(was["least"] for was in old.values())
    assert old[2]["settled"]
    await state.close()


async def test_whoever_was_joined_is_one_person(folder: Path, old: dict[int, dict[str, Any]]) -> None:
    state = opened(folder)
    known = Known(state, EVER)
    joined = [(one["distinct_id"], one["joined_into"]) for was in old.values() for one in people(was, joined=True)]
    assert len(joined) > 200
    for one, into in joined:
        assert known.who(one) == known.who(into)
        assert one in known.members(into)
    await state.close()


async def test_people_know_what_they_knew(folder: Path, old: dict[int, dict[str, Any]]) -> None:
    state = opened(folder)
    known = Known(state, EVER)
    values: dict[str, dict[str, object]] = {}
    for was in (old[1], old[2]):  # what the newest connection knows wins
        for one in people(was):
            who = known.who(one["distinct_id"])
            if one.get("identified"):
                assert (known.person(who).identified_at, known.person(who).protected) == (0, True)
            if who == one["distinct_id"]:
                mine = values.setdefault(who, {})
                mine |= {**one.get("accepted", {}), **one.get("refused", {}), **one.get("unsent", {})}
                mine |= {"email": one["email"]} if "email" in one else {}
    assert sum(map(len, values.values())) > 500
    for who, mine in values.items():
        assert {name: fact.value for name, fact in known.person(who).facts.items()} == mine
        assert known.person(who).version == 0
    await state.close()


async def test_customers_are_who_they_were_with_what_they_were_told(
    folder: Path, old: dict[int, dict[str, Any]]
) -> None:
    state = opened(folder)
    known = Known(state, EVER)
    for connection, was in old.items():
        customers = 0
        for one in people(was):
            who = known.who(one["distinct_id"])
            told = state.told(connection, [who]).get(who, Told())
            theirs = {customer.key: customer for customer in told.customers}
            for customer in (one["customer"],) if "customer" in one else ():
                main = theirs[Identifier(**customer).key]
                customers += 1
                assert main.state == "accepted"
                accepted = {name: value for name, value in one.get("accepted", {}).items() if name != "email"}
                assert {name: mark.print for name, mark in main.names.items()} == {
                    name: fingerprint(value) for name, value in accepted.items()
                }
                assert set(main.refused) == set(one.get("refused", {}))
                linked = one.get("linked_email") if main.kind == "id" else None
                assert main.email == (linked.lower() if linked is not None else None)
            assert {Identifier(**each).key for each in one.get("to_merge", ())} <= theirs.keys()
            assert {Identifier(**each).key for each in one.get("merged", ())} <= set(told.gone)
        assert customers > 200
    await state.close()


async def test_emails_belong_to_whom_they_belonged(folder: Path, old: dict[int, dict[str, Any]]) -> None:
    state = opened(folder)
    known = Known(state, EVER)
    for connection, was in old.items():
        rows = state.ledger(connection, list(was["claimed"]))
        assert {email: row.person for email, row in rows.items()} == {
            email: known.who(owner) for email, owner in was["claimed"].items() if owner is not None
        }
    assert any(old[1]["claimed"].values())
    await state.close()


def people(was: dict[str, Any], *, joined: bool = False) -> Iterator[dict[str, Any]]:
    return (one for one in was["people"] if ("joined_into" in one) == joined)


async def test_delivery_goes_on_where_it_stopped(folder: Path, old: dict[int, dict[str, Any]]) -> None:
    bench = PeopleBench(folder, vault(folder))
    _, bench.connection = await bench.state.connections()
    was = old[2]
    before, waiting = await bench.counts(), EVENTS - was["least"] - len(was["settled"])
    assert before.settled == EVENTS - waiting
    async with bench.running():
        counts = await bench.at_rest()
    assert counts.settled == EVENTS
    settled = set(range(1, was["least"] + 1)) | set(was["settled"])
    held = {position for position, _ in was["held"]}
    sent = {
        msgspec.json.decode(one.data)["n"] + 1 for one in bench.server.events if one.name in {"ordered", "$pageview"}
    }
    assert not sent & (settled - held), "sent once more"
    assert sent & held, "released with whoever qualifies now"
    assert len(sent) > 500
    users = [one for one, *_ in {(who,) for _, who in was["held"]} if one.startswith("0190")]
    released = len(await bench.held(*users))
    await bench.deliver(*(identify(f"u{int(one[-12:])}", 10_000 + n, one) for n, one in enumerate(users)))
    assert released > 100
    assert await bench.held(*users) == []
    assert (await bench.counts()).held == 0
    await bench.close()


# whatever happens


async def test_a_copy_is_kept_until_the_first_clean_stop(folder: Path) -> None:
    before = content(folder / "state.db")
    child(folder, 0)  # converted, and killed later
    copy = folder / "state.before.db"
    assert content(copy) == before
    assert copy.stat().st_mode & 0o777 == 0o600
    state = opened(folder)
    assert content(copy) == before
    await state.close()
    assert not copy.exists()


async def test_killed_at_any_step_it_goes_on_to_the_same(folder: Path, tmp_path: Path) -> None:
    before, other = content(folder / "state.db"), tmp_path / "other"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    steps = int(child(other, 0).stdout.splitlines()[-1])  # behind what is logged
    after = content(other / "state.db")
    assert steps > 200
    seen = set()
    for number in range(1, 9):
        child(folder, max(1, steps * number // 9))
        found = content(folder / "state.db")
        assert found in (before, after)
        copy = folder / "state.before.db"
        assert not copy.exists() or content(copy) == before
        seen.add((copy.exists(), found == after))
    assert {(True, False)} <= seen
    state = opened(folder)
    assert content(folder / "state.db") == after
    await state.close()
    assert sorted(file.name for file in folder.iterdir() if not file.name.startswith("journal")) == [
        "dump.json",
        "secret.key",
        "state.db",
    ]


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.95])
async def test_on_a_disk_that_gets_full_the_old_data_stay_as_they_are(
    folder: Path, tmp_path: Path, part: float
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    with troubled_disk() as disk:
        state = opened(other, vfs=disk.name)
        most = len(disk.calls)
        after = content(other / "state.db")
        await state.close()
    before = content(folder / "state.db")
    with troubled_disk(full_after=int(most * part)) as disk:
        with pytest.raises(Unusable, match="full"):
            opened(folder, vfs=disk.name)
        assert not list(folder.glob("*.part*"))
    # Whole as it was, or converted whole: later versions, which only add, each have their own transaction.
    found = content(folder / "state.db")
    converted = ("known", "ids", "told", "ledger", "held", "lanes", "counters", "dead_letters")
    assert found == before or (
        part > 0.9 and [found[each] for each in converted] == [after[each] for each in converted]
    )
    state = opened(folder)
    assert content(folder / "state.db") == after
    await state.close()
