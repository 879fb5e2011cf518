"""Backups: made beside a running Hogline under load, restored into an empty directory, going on from there."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

from hogline.testing.processes import (
    all_events,
    connect,
    ended,
    environment,
    hogline,
    hogline_json,
    post,
    serving,
    status,
    until,
)

PASSPHRASE = "correct horse battery"


def event(number: int) -> dict[str, object]:
    return {
        "uuid": str(uuid4()),
        "event": f"order {number}",
        "distinct_id": f"u{number % 7}",
        "properties": {"n": number},
    }


def test_under_full_load_nothing_is_missing_that_was_answered_before(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    restored, file = tmp_path / "restored", tmp_path / "hogline.backup"
    answered: list[str] = []
    enough, stop = threading.Event(), threading.Event()

    def send(url: str, token: str) -> None:
        while not stop.is_set():
            batch = [event(len(answered) + n) for n in range(20)]
            assert post(f"{url}/batch", {"api_key": token, "batch": batch}, token) == 200
            answered.extend(str(sent["event"]) for sent in batch)
            if len(answered) >= 2_000:
                enough.set()

    with serving(data) as running:
        sender = threading.Thread(target=send, args=(running.url, hogline_json(data, "token")["token"]))
        sender.start()
        assert enough.wait(30)
        before = list(answered)
        hogline(data, "backup", file, HOGLINE_BACKUP_PASSPHRASE=PASSPHRASE)
        stop.set()
        sender.join()
        running.kill()
    hogline(restored, "restore", file, HOGLINE_BACKUP_PASSPHRASE=PASSPHRASE)
    with serving(restored):
        until(lambda: status(restored)["pending"] == 0)
    found = status(restored)
    assert found["received"] == found["delivered"] >= len(before)
    arrived = [one["name"] for one in all_events(sandbox)]
    assert set(before) <= set(arrived)
    assert len(arrived) == len(set(arrived))  # what was delivered again is recognized


def test_what_was_backed_up_is_what_is_restored(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    samples = Path("samples/webhook.jsonl").absolute()
    hogline(data, "send", samples)
    before = (status(data), hogline_json(data, "people"), hogline_json(data, "token"))
    packed = ended(["backup", "-"], environment(data, HOGLINE_BACKUP_PASSPHRASE=PASSPHRASE))
    restored = tmp_path / "restored"
    hogline(restored, "restore", "-", stdin=packed.stdout, HOGLINE_BACKUP_PASSPHRASE=PASSPHRASE)
    assert (status(restored), hogline_json(restored, "people"), hogline_json(restored, "token")) == before
    hogline(restored, "check", "customerio")  # the credentials can be read
