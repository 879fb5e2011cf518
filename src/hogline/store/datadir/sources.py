"""Sources that Hogline reads by itself, in `sources.json` in the data directory: where each is, its key (encrypted),
and how far it is. How far a topic of Kafka is read is in the journal.

Knows nothing of what a source answers.
"""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from hogline.store.base import Unusable
from hogline.store.datadir.private_files import write_whole
from hogline.store.datadir.secrets import Vault


class Fetched(Struct, frozen=True, kw_only=True):
    """What was fetched, and is being taken: its rows are in a file, in the order in which they are taken."""

    up_to_ms: int
    """Everything that reached the source before is among what was taken, once this is taken too."""
    before: int
    """How many rows were taken from this source before the first of these."""


class Gap(Struct, frozen=True, kw_only=True):
    """Records that were gone before they were read."""

    partition: int
    first: int
    """Its offset."""
    records: int
    """0: unknown."""
    from_ms: int
    to_ms: int
    """They were written between these times."""
    filled_by: str = ""
    """The source that fetches them."""

    def key(self, source: str) -> str:
        """Of a source's gaps, no two have the same. A gap that grows gets another."""
        return f"{source} {self.partition} {self.first} {self.from_ms} {self.to_ms}"


class Taken(Struct, frozen=True, kw_only=True):
    """How far a topic was taken at some moment."""

    at_ms: int
    offsets: dict[int, int]
    """The next one of each partition."""


class Topic(Struct, frozen=True, kw_only=True):
    """What is read from Kafka."""

    id: str
    """One that is deleted and created again has another; empty: the broker tells none."""
    project: int
    """0 in a topic of Hogline's own."""
    gaps: tuple[Gap, ...] = ()
    ours: bool = False
    """Hogline's receivers write it (`HOGLINE_JOURNAL`)."""
    taken: tuple[Taken, ...] = ()
    """If so: how far it was taken in each hour of the last day, oldest first. What is older is deleted in Kafka."""


class Source(Struct, frozen=True, kw_only=True):
    name: str
    address: str
    """Such as posthog://eu.posthog.com/12345, or kafka://kafka:9092/clickhouse_events_json."""
    key: str = field(default="")
    """PostHog's key, or librdkafka's settings as JSON. In the file, it is encrypted."""
    every_s: int = 0
    run: int
    """Under this number the journal counts what was taken, as for a run of older events."""
    up_to_ms: int
    """Everything that reached the source before is taken."""
    created_ms: int
    since_ms: int = 0
    """What reached it before was never asked for; 0: that is `created_ms`."""
    paused: bool = False
    fetched_ms: int = 0
    """When something was fetched last without trouble; 0: never."""
    fetched: Fetched | None = None
    topic: Topic | None = None
    """None: it is fetched from PostHog."""
    only_gaps: bool = False
    """Fetched is only what a topic of Kafka misses."""
    filling: tuple[str, ...] = ()
    """If so: the gaps that are being filled, by `Gap.key`."""
    until_ms: int = 0
    """What reached PostHog before that fills them."""

    def __repr__(self) -> str:
        return f"Source(name={self.name!r}, address={self.address!r})"


class Sources:
    """Oldest first. The process that holds the data directory is the only one that changes them."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """Raises `Unusable`."""
        self._file = folder / "sources.json"
        self._vault = vault
        self._sources = {one.name: one for one in self._read()}

    def all(self) -> list[Source]:
        return list(self._sources.values())

    def find(self, name: str) -> Source | None:
        return self._sources.get(name)

    def get(self, name: str) -> Source:
        """Raises `KeyError`."""
        return self._sources[name]

    def put(self, source: Source) -> None:
        """Raises `Unusable` if it cannot be written."""
        self._write({**self._sources, source.name: source})

    def remove(self, name: str) -> None:
        """Raises `Unusable` if it cannot be written."""
        self._write({other: one for other, one in self._sources.items() if other != name})

    def _read(self) -> list[Source]:
        try:
            stored = msgspec.json.decode(self._file.read_bytes(), type=list[Source])
            return [replace(one, key=self._vault.decrypt(base64.b64decode(one.key)).decode("ascii")) for one in stored]
        except FileNotFoundError:
            return []
        except (OSError, ValueError):  # what msgspec raises is a ValueError
            raise Unusable(
                "Cannot read sources.json in the data directory. Delete it and add the sources again."
            ) from None

    def _write(self, sources: dict[str, Source]) -> None:
        stored = [
            replace(one, key=base64.b64encode(self._vault.encrypt(one.key.encode("ascii"))).decode("ascii"))
            for one in sources.values()
        ]
        try:
            write_whole(self._file, msgspec.json.format(msgspec.json.encode(stored)))
        except OSError as error:
            raise Unusable(f"sources.json in the data directory cannot be written ({error.strerror}).") from None
        self._sources = sources
