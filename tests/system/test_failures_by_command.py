"""Failures and replays from the command line, with a Hogline that runs and without."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hogline.testing.processes import all_events, connect, hogline, hogline_json, people, put, serving, status

EVENTS = "".join(
    msgspec.json.encode(
        {
            "uuid": f"0199f3a0-0000-7000-8000-00000000000{n}",
            "event": name,
            "distinct_id": "ada",
            "team_id": 7,
            "properties": {"n": n},
            "timestamp": f"2026-11-01T10:00:0{n}Z",
        }
    ).decode()
    + "\n"
    for n, name in enumerate(("clicked", "bad one", "ordered", "bad two"))
)


@pytest.fixture
def refused(data: Path, sandbox: str) -> str:
    """A data directory with two delivered events and two failures; the sandbox accepts everything again."""
    connect(data, sandbox)
    put(f"{sandbox}/sandbox/script", {"answers": [{"refuse_names": ["bad one", "bad two"]}]})
    hogline(data, "send", "-", stdin=EVENTS.encode(), code=1)
    put(f"{sandbox}/sandbox/script", {"answers": []})
    found = status(data)
    assert (found["delivered"], sum(found["failures"].values())) == (2, 2)
    return sandbox


def names(sandbox: str) -> list[str]:
    return [event["name"] for event in all_events(sandbox)]


@pytest.mark.parametrize("beside", [True, False], ids=["beside hogline serve", "alone"])
def test_a_failure_is_seen_exported_retried_and_discarded(data: Path, refused: str, *, beside: bool) -> None:
    def steps() -> None:
        failures = hogline_json(data, "failures", "customerio")["failures"]
        assert [one["event"] for one in failures] == ["bad one", "bad two"]
        first, second = (one["id"] for one in failures)

        shown = hogline(data, "failures", "show", "customerio", str(first)).stdout
        assert "bad one" in shown
        assert failures[0]["reason"] in shown

        lines = hogline(data, "failures", "export", "customerio").stdout.splitlines()
        exported = [msgspec.json.decode(line) for line in lines]
        assert [one["failure"]["id"] for one in exported] == [first, second]
        assert exported[0]["properties"] == {"n": 1}

        said = hogline(data, "failures", "retry", "customerio", str(first)).stdout
        assert said.startswith("1 retried")
        assert hogline(data, "failures", "discard", "customerio", "--all").stdout.startswith("1 discarded")
        assert "No failures." in hogline(data, "failures").stdout
        found = status(data)
        assert (found["delivered"], found["filtered"], found["failures"]) == (3, {"discarded": 1}, {})

    if beside:
        with serving(data):
            steps()
    else:
        steps()
    assert names(refused) == ["clicked", "ordered", "bad one"]
    assert list(people(refused)) == ["ada"]


def test_a_replay_is_recognised_by_customerio_and_brings_what_it_had_refused(data: Path, refused: str) -> None:
    said = hogline(data, "replay", "customerio", "--since", "2000-01-01T00:00Z").stdout
    assert said.startswith("4 events")
    events = all_events(refused)
    assert [event["name"] for event in events] == ["clicked", "ordered", "bad one", "bad two"]
    assert [event["repeats"] for event in events] == [1, 1, 0, 0]
    found = status(data)
    assert (found["delivered"], sum(found["failures"].values()), found["replayed"]) == (2, 2, {"delivered": 4})


IMPOSSIBLE = (
    ("failures", "retry", "customerio"),
    ("failures", "retry", "customerio", "1", "--all"),
    ("failures", "discard", "customerio", "--all", "--reason", "x"),
    ("failures", "show", "customerio", "99"),
    ("failures", "retry", "nobody", "--all"),
    ("replay", "customerio", "--since", "yesterday"),
    ("replay", "customerio", "--since", "2999-01-01T00:00Z"),
)


def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(data: Path, refused: str) -> None:
    before = status(data)
    for arguments in IMPOSSIBLE:
        done = hogline(data, *arguments, code=1)
        assert done.stderr.count("\n") == 1, arguments
        assert "Traceback" not in done.stderr, arguments
    assert status(data) == before
