"""`kill -9` at random moments of a process that receives and delivers."""

from __future__ import annotations

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from itertools import count
from pathlib import Path
from threading import Event
from urllib.error import URLError
from uuid import UUID

from processes import all_events, assert_adds_up, connect, hogline_json, post, sandbox, serving, status, until

SENDERS = 4
PEOPLE_EACH = 5


def send_until(
    stop: Event, url: str, token: str, sender: int, numbers: dict[str, count[int]], kept: dict[str, int]
) -> None:
    """One event after the other of this sender's people, until it is told to stop or the process is gone. `kept`
    gets the highest number of each person that was answered with 200.
    """
    source = random.Random()
    while not stop.is_set():
        person = f"s{sender}-p{source.randrange(PEOPLE_EACH)}"
        n = next(numbers[person])
        event = {
            "event": "clicked",
            "distinct_id": person,
            "uuid": str(UUID(int=hash((person, n)) % 2**128)),
            "properties": {"n": n, "$set": {"n": n}},
        }
        try:
            assert post(f"{url}/webhook", event, token) == 200
        except (URLError, HTTPException, OSError):
            return  # it died under us: whether this one was kept is open
        kept[f"{person}:{n}"] = n


def test_what_was_answered_is_delivered_in_order_and_counted_once(tmp_path: Path) -> None:
    data, source = tmp_path / "data", random.Random()
    numbers: dict[str, count[int]] = defaultdict(count)
    kept: dict[str, int] = {}
    with sandbox() as customerio:
        connect(data, customerio.url)
        token = hogline_json(data, "token")["token"]
        for _ in range(5):
            with serving(data) as running, ThreadPoolExecutor(SENDERS) as pool:
                stop = Event()
                for sender in range(SENDERS):
                    pool.submit(send_until, stop, running.url, token, sender, numbers, kept)
                stop.wait(source.uniform(0.05, 0.8))
                running.kill()
                stop.set()
        with serving(data) as running:
            until(lambda: status(data)["pending"] == 0)
            found = status(data)
            assert running.stop() == 0
        events = all_events(customerio.url)
    assert_adds_up(found)
    delivered = {f"{event['person']['id']}:{event['data']['n']}" for event in events}
    assert kept
    assert kept.keys() <= delivered
    assert found["delivered"] == found["received"] >= len(delivered)
    by_person = defaultdict(list)
    for event in events:
        by_person[event["person"]["id"]].append(event["data"]["n"])
    assert all(ns == sorted(ns) for ns in by_person.values())
