"""hogline backfill with real processes: stopped, killed, run again, beside a running server."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from history_rows import event_rows, person_rows, shuffled

from hogline.backfill.prepare import MUCH_BYTES
from hogline.testing import forked, processes
from hogline.testing.processes import (
    all_events,
    connect,
    environment,
    hogline,
    hogline_json,
    people,
    serving,
    status,
    until,
)

PEOPLE = 300
NO_WAIT = {"HOGLINE_MERGE_DELAY_S": "0"}


def written(folder: Path, name: str, rows: list[bytes]) -> Path:
    file = folder / name
    file.write_bytes(b"".join(rows))
    return file


def what_is_there(sandbox: str) -> tuple[Any, Any]:
    """Everybody with their attributes, and every event once, with whose it is."""
    everybody = {name: (person["email"], person["attributes"]) for name, person in people(sandbox).items()}
    return everybody, sorted((event["ulid"], event["name"], event["timestamp"]) for event in all_events(sandbox))


def run_of(data: Path) -> dict[str, Any]:
    (run,) = hogline_json(data, "backfills")["runs"]
    return dict(run)


def test_a_run_that_is_finished_sends_nothing_until_you_say_again(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    file = written(tmp_path, "events.jsonl", shuffled(event_rows(20)))
    (first,) = hogline_json(data, "backfill", "customerio", file)["connections"]
    assert (first["events"], first["delivered"], first["pending"]) == (180, 180, 0)
    assert "This run finished on" in hogline(data, "backfill", "customerio", file).stderr
    assert status(data)["received"] == 180
    (again,) = hogline_json(data, "backfill", "customerio", file, "--again")["connections"]
    assert (again["delivered"], again["adjusted"]) == (180, {"repeated": 180})
    assert len(all_events(sandbox)) == 180
    assert not list((data / "backfills").glob("*/rows*"))


def test_a_file_that_changed_is_a_new_run(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    rows = event_rows(20)
    hogline(data, "backfill", "customerio", written(tmp_path, "events.jsonl", rows[:90]))
    (sent,) = hogline_json(data, "backfill", "customerio", written(tmp_path, "events.jsonl", rows))["connections"]
    assert (sent["events"], sent["adjusted"]) == (180, {"repeated": 90})


def test_only_the_connection_that_is_named_gets_the_events(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    with processes.sandbox() as other:
        connect(data, other.url, "--name", "other")
        hogline(data, "backfill", "other", written(tmp_path, "events.jsonl", event_rows(20)))
        hogline(data, "send", written(tmp_path, "live.jsonl", event_rows(21)[-1:]))
        assert (len(all_events(sandbox)), len(all_events(other.url))) == (1, 181)
    assert status(data)["filtered"] == {"other_connection": 180}
    assert status(data, "other")["delivered"] == 181


@pytest.mark.parametrize("whom", ["all", "identified", "emails", "anonymous-events"])
def test_an_export_of_people_makes_everything_right_from_the_first_event(
    data: Path, sandbox: str, tmp_path: Path, whom: str
) -> None:
    connect(data, sandbox, "--anonymous-users", whom)
    events = written(tmp_path, "events.jsonl", shuffled(event_rows(PEOPLE)))
    persons = written(tmp_path, "persons.jsonl", shuffled(person_rows(PEOPLE, deleted=30)))
    result = hogline_json(data, "backfill", "customerio", events, "--persons", persons)
    kept = PEOPLE - 30
    assert result["run"]["left_out"] == {"person_deleted": 9 * 30}
    assert result["run"]["people"] == 2 * kept
    assert len(all_events(sandbox)) == 9 * kept
    found = people(sandbox)
    assert set(found) == {f"user-{number}" for number in range(kept)}
    assert {(one["email"], one["attributes"]["plan"]) for one in found.values()} == {
        (f"user-{number}@example.com", "pro") for number in range(kept)
    }
    assert {one["attributes"]["orders"] for one in found.values()} == {5}


def test_events_that_are_younger_can_be_left_out(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    young = event_rows(1)[0].replace(b"2026-10-01", time.strftime("%Y-%m-%d").encode())
    file = written(tmp_path, "events.jsonl", [*event_rows(2), young.replace(b"0199f3a0", b"0199f3a1")])
    result = hogline_json(data, "backfill", "customerio", file, "--older-than", "72h")
    assert (result["run"]["left_out"], result["connections"][0]["delivered"]) == ({"too_young": 1}, 18)


def test_a_dry_run_says_what_the_run_then_does(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox, "--anonymous-users", "identified")
    hogline(data, "backfill", "customerio", written(tmp_path, "known.jsonl", event_rows(10)))
    young = (
        event_rows(1)[8].replace(b"2026-10-01", time.strftime("%Y-%m-%d").encode()).replace(b"0199f3a0", b"0199f3a1")
    )
    file = written(tmp_path, "events.jsonl", shuffled([*event_rows(30), young]))
    said = hogline_json(data, "backfill", "customerio", file, "--dry-run", "--price", "0.5")
    found = said["dry_run"]
    assert (found["events"], found["customers"], said["cost"], found["younger_than_72_hours"]) == (271, 20, 10.0, 1)
    assert ["2026-10-01", "ordered", 150] in found["by_day"]
    assert found["attributes"]["orders"] >= 20
    assert not list(data.glob(".dry-run*"))
    shown = hogline(data, "backfill", "customerio", file, "--dry-run", "--price", "0.5", "--older-than", "72h")
    assert "too_young" in shown.stdout
    (sent,) = hogline_json(data, "backfill", "customerio", file)["connections"]
    assert (sent["delivered"], sent["filtered"]) == (found["delivered"], found["filtered"])
    assert len(people(sandbox)) == 30


def test_interrupted_it_is_paused_and_the_same_command_continues(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox, "--max-requests-per-second", "2")
    file = written(tmp_path, "events.jsonl", shuffled(event_rows(1_000)))
    with forked.start(["backfill", "customerio", str(file)], environment(data), stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        until(lambda: len(all_events(sandbox)) > 0)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert b"Run 1 is paused. The same command continues it." in said
    assert running.returncode == 130
    before = run_of(data)
    assert (before["state"], 0 < before["taken"] <= 9_000) == ("paused", True)
    hogline(data, "configure", "customerio", "--max-requests-per-second", "100")
    (sent,) = hogline_json(data, "backfill", "customerio", file)["connections"]
    assert (sent["delivered"], status(data)["received"]) == (9_000, 9_000)


def test_beside_a_running_server_it_is_watched_paused_and_cancelled(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    file = written(tmp_path, "events.jsonl", shuffled(event_rows(200)))
    with serving(data):
        (sent,) = hogline_json(data, "backfill", "customerio", file)["connections"]
        assert sent["delivered"] == 1_800
        hogline(data, "pause", "customerio")
        more = written(tmp_path, "more.jsonl", event_rows(210)[-90:])
        hogline(data, "backfill", "customerio", more, code=1)
        hogline(data, "backfills", "pause", "2")
        hogline(data, "backfills", "cancel", "2")
        assert "Run 2 is cancelled." in hogline(data, "backfills", "resume", "2", code=1).stderr
    assert [run["state"] for run in hogline_json(data, "backfills")["runs"]] == ["cancelled", "finished"]


def test_a_run_whose_command_is_killed_goes_on_in_the_server(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox, "--max-requests-per-second", "5")
    file = written(tmp_path, "events.jsonl", shuffled(event_rows(500)))
    with forked.start(["backfill", "customerio", str(file)], environment(data)) as running:
        until(lambda: len(all_events(sandbox)) > 0)
        running.kill()
    with serving(data):
        until(lambda: run_of(data)["state"] == "finished")
    assert len(all_events(sandbox)) == 4_500


SENDING = re.compile(rb"^Sending|events sent")


def killed(command: list[str], data: Path, *, after_s: float, sending: bool) -> bool:
    """Run a command and kill it a moment after it began, or after it began to send. False: it ended before."""
    with forked.start(command, environment(data), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while sending and not SENDING.search(line := process.stderr.readline()):
            if not line:
                return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after_s if sending else 2 * after_s)
        process.kill()
        return True


def test_killed_at_twenty_random_moments_all_is_as_after_one_run(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chosen = random.Random(seed)
    # So much that other processes read it.
    events = written(tmp_path, "events.jsonl", shuffled(event_rows(400, note="n" * 5_000), seed))
    persons = written(tmp_path, "persons.jsonl", shuffled(person_rows(200, deleted=15), seed))
    assert events.stat().st_size > MUCH_BYTES
    command = ["backfill", "customerio", str(events), "--persons", str(persons)]
    found = []
    for kills, rate in ((0, 100), (20, 1)):
        data = tmp_path / f"data-{kills}"
        with processes.sandbox() as sandbox:
            connect(
                data, sandbox.url, "--anonymous-users", "identified", "--hold-days", "3",
                "--max-requests-per-second", str(rate),
            )  # fmt: skip
            done = [killed(command, data, after_s=chosen.uniform(0, 0.25), sending=n > 3) for n in range(kills)]
            assert done.count(True) >= 3 * kills // 4, done
            hogline(data, "configure", "customerio", "--max-requests-per-second", "100")
            result = hogline_json(data, *command)
            counts = status(data)
            del counts["requests"], counts["retries"], counts["lag_s"], counts["since_ms"]
            found.append((*what_is_there(sandbox.url), counts, result["run"]["connections"]))
            assert result["run"]["state"] == "finished"
    for once, killed_often in zip(*found, strict=True):
        assert once == killed_often, seed
