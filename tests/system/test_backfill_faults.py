"""hogline backfill where something is wrong with files, buckets or PostHog: what can be delivered is, and a sentence says
the rest.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from history_rows import event_rows, person_rows, shuffled
from moto.server import ThreadedMotoServer
from posthog_emulator import KEY, PROJECT, PostHog, emulated
from service_bench import GOOD, bench_in

from hogline.backfill.sorter import Sorter
from hogline.testing.processes import all_events, connect, environment, hogline, hogline_json, people, status, until

_WAITS_AFTER_THE_FIRST_ROW = """
import os, sys, time
from hogline.backfill.sorter import Sorter
from hogline.cli.app import main
add = Sorter.add
def waiting(self, record):
    if not self.count:
        open(os.environ["TEST_FLAG"], "w").close()
        while os.path.exists(os.environ["TEST_FLAG"]):
            time.sleep(0.01)
    add(self, record)
Sorter.add = waiting
main()
"""
"""The command; as soon as its first row was read it makes a file and waits until that is gone."""

_CHANGES_ITS_FILE = """
import sys
from hogline.backfill.sorter import Sorter
from hogline.cli.app import main
add = Sorter.add
def changing(self, record):
    if not self.count:
        with open(sys.argv[-1], "ab") as file:
            file.write(b"\\n")
    add(self, record)
Sorter.add = changing
main()
"""
"""The command, with a file that grows as soon as its first row was read."""

_ITS_READER_IS_KILLED = """
import subprocess
from hogline.backfill import prepare, readers
from hogline.cli.app import main
send = readers._send
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        Popen.newest = self
def sent(to, message, descriptors=()):
    if {early}:
        kill()
    send(to, message, descriptors)
    kill()
def kill():
    Popen.newest.kill()
    Popen.newest.wait()
prepare.MUCH_BYTES, readers.subprocess.Popen, readers._send = 1, Popen, sent
main()
"""
"""The command, with another process that reads, and is killed when it knows what to do, or, if `early`, before that."""


def backfill(data: Path, *sources: str | Path, code: int = 0, **more: Any) -> dict[str, Any]:
    done = hogline(data, "backfill", "customerio", *sources, "--json", code=code, **more)
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return found


def test_bad_rows_and_files_are_named_and_all_else_is_delivered_once(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox, "--anonymous-users", "all")
    rows, folder = event_rows(20), tmp_path / "exports"
    folder.mkdir()
    nameless = msgspec.json.decode(event_rows(21)[-1]) | {"uuid": None}
    (folder / "a.jsonl").write_bytes(b"".join([*rows[:60], b'{"event": "x", "dist\n', *rows[60:120]]))
    (folder / "b.jsonl").write_bytes(b"".join([*rows[100:], msgspec.json.encode(nameless) + b"\n"]))
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(b"".join(rows))[:-500])
    table = pa.table({"event": ["x"], "distinct_id": ["u"], "timestamp": [True], "properties": ["{}"]})
    pq.write_table(table, folder / "d.parquet")
    found = backfill(data, folder, code=1)
    (delivery,) = found["connections"]
    bad = {Path(row["file"]).name: (row["unit"], row["number"], row["sentence"]) for row in found["bad_lines"]}
    assert set(bad) == {"a.jsonl", "c.jsonl.gz", "d.parquet"}
    assert bad["a.jsonl"][:2] == ("line", 61)
    assert "damaged or truncated here" in bad["c.jsonl.gz"][2]
    assert "`timestamp` must hold times" in bad["d.parquet"][2]
    assert found["run"]["state"] == "finished"
    assert delivery["delivered"] == delivery["events"]
    assert delivery["adjusted"]["repeated"] == delivery["events"] - 181
    assert len(all_events(sandbox)) == 181
    assert backfill(data, folder, code=1)["run"]["number"] == 1
    assert len(all_events(sandbox)) == 181


_ENDED = (
    "A process that read the files was ended from outside, perhaps because memory was short. Run the command again."
    " Nothing was sent."
)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (_CHANGES_ITS_FILE, "events.jsonl was changed while it was read. Run the command again. Nothing was sent."),
        (_ITS_READER_IS_KILLED.format(early=True), _ENDED),
        (_ITS_READER_IS_KILLED.format(early=False), _ENDED),
    ],
    ids=["the file changes", "its reader is killed at once", "its reader is killed"],
)
def test_if_reading_is_disturbed_nothing_is_sent_until_you_run_the_command_again(
    data: Path, sandbox: str, tmp_path: Path, script: str, sentence: str
) -> None:
    connect(data, sandbox, "--anonymous-users", "all")
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(event_rows(20)))
    command = [sys.executable, "-c", script, "backfill", "customerio", str(file)]
    done = subprocess.run(command, env=environment(data), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    said = " ".join(line for line in done.stderr.split("\n") if not line.startswith("Reading"))
    assert " ".join(said.split()).endswith(sentence)
    assert [run["state"] for run in hogline_json(data, "backfills")["runs"]] == ["cancelled"]
    assert (status(data)["received"], all_events(sandbox)) == (0, [])
    assert backfill(data, file)["run"]["state"] == "finished"
    assert len(all_events(sandbox)) == 180


def test_a_bucket_or_credential_that_is_missing_is_one_sentence_and_nothing_is_sent(
    data: Path, sandbox: str, tmp_path: Path
) -> None:
    connect(data, sandbox)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    env: dict[str, Any] = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_DEFAULT_REGION": "us-east-1",
        "HOME": str(tmp_path),
    }  # fmt: skip
    try:
        keys: dict[str, Any] = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        nothing: dict[str, Any] = {}
        for more, sentence in ((keys, "file, folder or bucket not found"), (nothing, "credentials are missing")):
            said = hogline(data, "backfill", "customerio", "s3://nowhere/prefix/", code=1, **env, **more).stderr
            assert sentence in said
            assert len(said.splitlines()) == 1
    finally:
        server.stop()
    assert all_events(sandbox) == []


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> ThreadedMotoServer:
    """A server with the bucket `exports`, and the environment in which it is found. Whoever takes it stops it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="exports")
    for part in range(3):
        client.put_object(Bucket="exports", Key=f"p/{part}.jsonl", Body=b"".join(event_rows(5)))
    client.close()
    return server


def test_a_bucket_that_goes_away_in_the_middle_ends_the_command_with_the_reason(
    data: Path, sandbox: str, bucket: ThreadedMotoServer, tmp_path: Path
) -> None:
    connect(data, sandbox)
    flag = tmp_path / "flag"
    command = [sys.executable, "-c", _WAITS_AFTER_THE_FIRST_ROW, "backfill", "customerio", "s3://exports/p/"]
    more = {**environment(data), "TEST_FLAG": str(flag)}
    with subprocess.Popen(command, env=more, stderr=subprocess.PIPE, text=True) as running:
        until(flag.exists)
        bucket.stop()
        flag.unlink()
        _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "s3://exports/p/" in said
    assert " ".join(said.split()).endswith("Nothing was sent.")
    assert [run["state"] for run in hogline_json(data, "backfills")["runs"]] == ["cancelled"]
    assert (status(data)["received"], all_events(sandbox)) == (0, [])


@pytest.mark.anyio
async def test_a_bucket_that_goes_away_in_the_middle_ends_the_run_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: ThreadedMotoServer
) -> None:
    add = Sorter.add

    def last(self: Sorter, record: bytes) -> None:
        bucket.stop()
        add(self, record)

    monkeypatch.setattr(Sorter, "add", last)
    async with bench_in(tmp_path) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        run = await bench.service.history.start("shop", "s3://exports/p/")
        for task in list(bench.service.history._tasks):
            await task
        view = await bench.service.backfills.show(run.number)
        assert (view.state, view.rows, bench.service.journal.end) == ("cancelled", 0, 0)
        assert view.reason is not None
        assert "s3://exports/p/" in view.reason
        assert view.reason.endswith("Nothing was sent.")
    fsspec.filesystem("s3").clear_instance_cache()


def test_straight_from_posthog_with_people_through_429_5xx_expired_links_and_an_empty_week(
    data: Path, sandbox: str
) -> None:
    connect(data, sandbox, "--anonymous-users", "identified")
    with emulated() as posthog:
        _fill(posthog)
        posthog.troubles, posthog.downloads, posthog.ends = [429, 503], [403], ["FailedRetryable"]
        source = f"posthog://{posthog.url}/{PROJECT}"
        span = ("--since", "2026-10-01", "--until", "2026-10-15")
        found = backfill(data, source, "--persons", source, *span, HOGLINE_POSTHOG_API_KEY=KEY)
        models = [export["body"]["model"] for export in posthog.exports]
    assert (models.count("persons"), models.count("events")) == (3, 2)
    (delivery,) = found["connections"]
    assert (set(delivery["filtered"]), delivery["pending"]) == ({"nothing_to_send"}, 0)  # of people alone
    assert found["run"]["left_out"] == {"person_deleted": 9 * 4}
    assert len(all_events(sandbox)) == 9 * 26
    assert {one["attributes"]["plan"] for one in people(sandbox).values()} == {"pro"}


def _fill(posthog: PostHog) -> None:
    posthog.polls, posthog.part_events = 0, 50
    posthog.events = [msgspec.json.decode(row) for row in shuffled(event_rows(30))]
    posthog.persons = [msgspec.json.decode(row) for row in shuffled(person_rows(30, deleted=4))]
