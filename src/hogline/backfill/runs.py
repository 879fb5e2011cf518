"""Runs of older events: what each is to bring where, and how far it is. Each has a folder in the data directory.

How many of a run's rows were taken is in the journal, written with them.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from hogline.backfill.run_file import change_rows
from hogline.backfill.views import BadRow
from hogline.store.datadir.private_files import write_whole

RunState: TypeAlias = Literal["reading", "sending", "paused", "finished", "cancelled"]

FOLDER = "backfills"
_READER = "reader"
"""Locked by the process that reads the files."""
MOST_BAD_KEPT = 100
MOST_OVER_KEPT = 200
"""Runs that are over; older ones are dropped."""
DEFAULT_SHARE = 50


class Reread(Struct, frozen=True):
    """How the process that delivers a run can read its files again. It holds no key and no signature."""

    source: str
    asked: list[str]
    """What its key is made of, beside the files."""
    before_ms: int | None
    """Only what happened before; None: all."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a run is to do."""

    connection: str = ""
    """Its name; empty: every running one."""
    sources: list[str]
    """As they are shown."""
    key: str
    """The same for the same files and options; empty: it is never the same run."""
    share: int = DEFAULT_SHARE
    """Percent of the connection's requests a second."""
    reread: Reread | None = None
    """None: only who started it can read its files."""


class Prepared(Struct, frozen=True, kw_only=True):
    """What the files came to, when all rows are in order."""

    rows: int
    people: int = 0
    """Of these rows, the first ones: what an export of people says."""
    refused: dict[str, int] = field(default_factory=dict)
    """What cannot be kept, by reason."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Events that are not sent, by reason: `person_deleted`, `too_young`."""
    bad: int = 0
    """Rows that hold no event, or some that cannot be kept."""
    first_bad: list[BadRow] = field(default_factory=list)


class Run(Struct, frozen=True, kw_only=True):
    number: int
    wanted: Wanted
    connection: int
    """0: every one."""
    connections: tuple[int, ...] = ()
    """The run is over when these settled its events: the one that it names, or those that ran when it began. Empty: it
    is older than this, and names one."""
    state: RunState
    created_ms: int
    touched_ms: int
    """When it changed last."""
    read: int = 0
    """Rows so far, while they are read."""
    prepared: Prepared | None = None
    """None: they are being read."""
    finished_ms: int = 0
    problem: str = ""
    """Why its files could not be read, if that is why it ended."""

    @property
    def followed(self) -> tuple[int, ...]:
        """The connections whose results count."""
        return self.connections or (self.connection,)

    @property
    def is_over(self) -> bool:
        return self.state in {"finished", "cancelled"}


@contextmanager
def held_by_reader(folder: Path) -> Iterator[None]:
    """A run's folder, as long as its files are read. The kernel ends it with the process, however that ends. Raises
    OSError, `BlockingIOError` if another process reads."""
    with (folder / _READER).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


class Runs:
    """The runs of a data directory, newest last. Raises OSError where it writes."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._runs: dict[int, Run] = {}
        for file in sorted(self._folder.glob("*/run.json")):
            with suppress(msgspec.MsgspecError, OSError):  # a folder that somebody put there
                run = msgspec.json.decode(file.read_bytes(), type=Run)
                self._runs[run.number] = run

    def __iter__(self) -> Iterator[Run]:
        return iter(sorted(self._runs.values(), key=lambda run: run.number))

    def get(self, number: int) -> Run | None:
        return self._runs.get(number)

    def folder(self, number: int) -> Path:
        return self._folder / f"{number:06}"

    def rows(self, number: int) -> Path:
        return self.folder(number) / "rows"

    def is_being_read(self, number: int) -> bool:
        try:
            with held_by_reader(self.folder(number)):
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def put(self, run: Run) -> None:
        folder = self.folder(run.number)
        for made in (self._folder, folder):
            made.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / "run.json", msgspec.json.encode(run))
        self._runs[run.number] = run

    def note(self, run: Run) -> None:
        """Know this of a run as long as the process runs."""
        self._runs[run.number] = run

    def drop_rows(self, number: int) -> None:
        """What a run held of people goes."""
        for file in self.folder(number).glob("rows*"):
            file.unlink(missing_ok=True)

    def remove(self, number: int) -> None:
        self._runs.pop(number, None)
        shutil.rmtree(self.folder(number), ignore_errors=True)

    def outdated(self) -> list[int]:
        """Runs that are over, beyond the newest `MOST_OVER_KEPT`."""
        return [run.number for run in self if run.is_over][:-MOST_OVER_KEPT]

    def same(self, connection: int, key: str) -> Run | None:
        """The newest run with this key that was not cancelled."""
        found = [
            run
            for run in self
            if key and run.wanted.key == key and run.connection == connection
            if run.state != "cancelled"
        ]
        return found[-1] if found else None

    def change_rows(self, changed: Callable[[bytes], bytes]) -> None:
        """Put others in the place of rows that are not sent yet, in all runs, and of what was fetched from sources."""
        for file in self._unsent():
            change_rows(file, changed)

    def _unsent(self) -> Sequence[Path]:
        return sorted(self._folder.glob("*/rows"))
