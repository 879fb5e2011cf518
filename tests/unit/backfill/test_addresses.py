"""Files in buckets and behind addresses: a real S3 server (moto's) and a web server, both on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

import boto3
import fsspec
import pytest
from exports import RECEIVED_MS, gzip_by_row, history, json_lines, parquet, read, shuffled
from moto.server import ThreadedMotoServer

from hogline.backfill.files import CannotRead, files_of
from hogline.backfill.prepare import Preparation
from hogline.backfill.reading import Reading
from hogline.backfill.run_file import read_rows
from hogline.backfill.sorted_rows import ROWS as ROWS_FILE
from hogline.backfill.sorted_rows import Window

ROWS = history(20)
UUIDS = [row["uuid"] for row in ROWS]
SPACE = "prefix/2026-10-01T00:00:00+00:00-2026-10-08T00:00:00+00:00"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """A bucket `exports` with one export in three files and a manifest."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    rows = shuffled(ROWS)
    client = boto3.client("s3")
    client.create_bucket(Bucket="exports")
    names = [f"{SPACE}-0.jsonl.gz", f"{SPACE}-1.parquet", "prefix/None-2026-10-01T00:00:00+00:00.jsonl"]
    bodies = [gzip_by_row(rows[::3]), parquet(rows[1::3]), b"".join(json_lines(rows[2::3]))]
    for name, body in zip(names, bodies, strict=True):
        client.put_object(Bucket="exports", Key=name, Body=body)
    client.close()
    try:
        yield server
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.stop()


@pytest.mark.parametrize("source", ["s3://exports/prefix/", "s3://exports/prefix", "s3://exports/prefix/*"])
@pytest.mark.usefixtures("s3")
def test_an_export_in_a_bucket_is_read_in_order(source: str) -> None:
    rows, reading = read(source)
    assert reading.first_bad == []
    assert len(rows) == len(ROWS)
    assert {row.file for row in rows} == {
        f"s3://exports/{SPACE}-0.jsonl.gz",
        f"s3://exports/{SPACE}-1.parquet",
        "s3://exports/prefix/None-2026-10-01T00:00:00+00:00.jsonl",
    }


def read_elsewhere(source: str, folder: Path) -> list[bytes]:
    """The same events, in order, as other processes read them."""
    with patch("hogline.backfill.prepare.MUCH_BYTES", 1):
        Preparation(files_of([source]), folder, RECEIVED_MS, Window()).prepare()
    return [row for rows in read_rows(folder / ROWS_FILE) for row in rows]


@pytest.mark.usefixtures("s3")
def test_other_processes_read_the_same_from_a_bucket(tmp_path: Path) -> None:
    with patch("hogline.backfill.prepare.SortedRows", None):  # nothing is read here
        elsewhere = read_elsewhere("s3://exports/prefix/", tmp_path)
    assert elsewhere == [row.body for row in read("s3://exports/prefix/")[0]]


@pytest.mark.usefixtures("s3")
def test_a_bucket_or_folder_that_is_not_there() -> None:
    for source in ("s3://nowhere/prefix/", "s3://exports/elsewhere/"):
        with pytest.raises(CannotRead, match=rf"{source} (cannot be read: file, folder or bucket not|names no file)"):
            files_of([source])


@pytest.mark.usefixtures("s3")
def test_a_missing_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CannotRead, match=r"s3://exports/prefix/ cannot be read: access is denied, or credentials"):
        files_of(["s3://exports/prefix/"])


def test_a_bucket_that_goes_away_while_it_is_read(s3: ThreadedMotoServer) -> None:
    reading = iter(Reading(files_of(["s3://exports/prefix/"]), 0))
    next(reading)
    s3.stop()
    with pytest.raises(CannotRead, match=r"s3://exports/prefix/.* cannot be read: the connection failed \(\w+\)\. Run"):
        list(reading)


@pytest.mark.usefixtures("s3")
def test_a_file_in_a_bucket_that_changes_while_it_is_read() -> None:
    name = "prefix/None-2026-10-01T00:00:00+00:00.jsonl"
    reading = iter(Reading(files_of([f"s3://exports/{name}"]), 0))
    next(reading)
    client = boto3.client("s3")
    client.put_object(Bucket="exports", Key=name, Body=b"".join(json_lines(ROWS[:2])))
    client.close()
    with pytest.raises(CannotRead, match=r"was changed while it was read\. Run the command again\."):
        list(reading)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # its own name
        pass


@contextmanager
def web(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_pre_signed_address_is_read_and_its_signature_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl.gz").write_bytes(gzip_by_row(shuffled(ROWS)))
    with web(tmp_path) as url:
        rows, reading = read(f"{url}/e.jsonl.gz?signature=secret")
        assert (len(rows), reading.bad) == (len(ROWS), 0)
        assert {row.file for row in rows} == {f"{url}/e.jsonl.gz"}
        with patch("hogline.backfill.prepare.SortedRows", None):
            assert read_elsewhere(f"{url}/e.jsonl.gz?signature=secret", tmp_path) == [row.body for row in rows]
        with pytest.raises(CannotRead, match=r"/missing cannot be read: file, folder or bucket not found\.") as raised:
            read(f"{url}/missing?signature=secret")
    assert "secret" not in str(raised.value)
