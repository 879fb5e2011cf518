"""Several real processes on one store."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psycopg
from msgspec import Struct

from hogline.store.postgresql.link import Link
from hogline.testing.processes import Running, all_events, hogline_json, post, serving

SAYS = {
    "console": r"Console at (http://[\d.:]+)",
    "deliver": r"(Ready) to deliver",
    "receive": r"Receiving at (http://[\d.:]+)",
    "": r"Receiving at (http://[\d.:]+)",
}


class Store(Struct):
    """Variables of all processes, and a folder for their data directories."""

    env: dict[str, str]
    folder: Path

    def serving(self, name: str, only: str = "") -> AbstractContextManager[Running]:
        return serving(self.folder / name, only=only, says=SAYS[only], **self.env)

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = hogline_json(self.folder / "looking", "workers")["workers"]
        return found

    def owner(self) -> int:
        """The process that delivers; 0: none."""
        return next((one["pid"] for one in self.workers() if one["owns"]), 0)


def send(running: Running, token: str, name: str, who: str = "ada") -> int:
    """The status; 0: no answer in time."""
    event = {"event": name, "distinct_id": who, "properties": {"$set": {"email": f"{who}@example.org"}}}
    try:
        return post(f"{running.url}/webhook", event, token)
    except HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0


def change(url: str, sql: str) -> None:
    """As somebody else."""
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(b"SET search_path = hogline")
        link.execute(sql.encode())


def breaking(link: Link, call: str, when: str) -> Callable[[], object]:
    """Instead of `link.transaction` or `link.pipeline`: at its end the connection breaks, before or after PostgreSQL has
    got the commit."""
    real = getattr(link, call)

    @contextmanager
    def broken() -> Iterator[object]:
        with real() as inside:
            yield inside
            if when == "before":
                link.close()
        link.close()
        raise psycopg.OperationalError("the connection broke")

    return broken


def names(customerio: Running) -> set[str]:
    return {event["name"] for event in all_events(customerio.url)}


def freeze(running: Running) -> None:
    running.process.send_signal(signal.SIGSTOP)


def thaw(running: Running) -> None:
    running.process.send_signal(signal.SIGCONT)
