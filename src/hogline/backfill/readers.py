"""Other processes that read and sort files, and give their memory back when they end.

Each reads some of the files. Then all but the first give it their sorted rows, as descriptors of files without names,
and it writes them into one file. A socket connects each with the process that started it: if one of the two dies,
the other one knows, and a reader ends then.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from hogline.backfill.files import CannotRead, Place, file_at
from hogline.backfill.runs import Prepared
from hogline.backfill.sorted_rows import Part, SortedRows, Window
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.backfill")

SAY_EVERY_S = 0.5
_LENGTH_BYTES = 4
_MOST_DESCRIPTORS = 253
"""In one message, on Linux."""

T = TypeVar("T")


class Job(Struct, frozen=True):
    """What a reader is to do."""

    files: list[Place]
    """All of the run: where a row stands is said by its file's place among them."""
    mine: list[int]
    """The places of those that this reader reads."""
    folder: str
    received_ms: int
    window: Window
    readers: int
    writes: bool
    """It takes the rows of the other readers and writes all."""


class Word(Struct, frozen=True, omit_defaults=True):
    """What a reader says: how far it is, and, once, one of the others."""

    read: int = 0
    written: int = 0
    disk_bytes: int = 0
    part: Part | None = None
    """Its rows come with it."""
    prepared: Prepared | None = None
    cannot_read: str | None = None
    disk: tuple[int, str] | None = None
    """The number and text of an OSError."""
    bug: str | None = None


class Readers:
    """Raises as `SortedRows` does."""

    def __init__(
        self,
        files: Sequence[Place],
        shares: Sequence[Sequence[int]],
        folder: Path,
        received_ms: int,
        window: Window,
        *,
        stopped: threading.Event,
    ) -> None:
        """`shares`: the places of the files that each reader reads. `stopped`: set by any thread, ends them."""
        self._jobs = [
            Job(list(files), list(mine), str(folder), received_ms, window, len(shares), writes=not number)
            for number, mine in enumerate(shares)
        ]
        self._said = [Word() for _ in shares]
        self._stopped = stopped

    @property
    def read(self) -> int:
        return sum(word.read for word in self._said)

    @property
    def written(self) -> int:
        return self._said[0].written

    @property
    def disk_bytes(self) -> int:
        return max(self._said[0].disk_bytes, sum(word.disk_bytes for word in self._said[1:]))

    def prepare(self) -> Prepared:
        with ExitStack() as stack:
            try:
                sockets = [_started(job, stack) for job in self._jobs]
                talking = list(sockets)
                while not self._stopped.is_set():
                    for ready in select.select(talking, [], [], SAY_EVERY_S)[0]:
                        word, descriptors = _received(ready, Word)
                        self._said[sockets.index(ready)] = word
                        if word.prepared is not None:
                            return word.prepared
                        if word.part is not None:
                            _send(sockets[0], word.part, descriptors)
                            _close(descriptors)
                            talking.remove(ready)
                        _raise_what_is_wrong(word)
            except (ConnectionError, EOFError):
                raise CannotRead(
                    "A process that read the files was ended from outside, perhaps because memory was short. Run the "
                    "command again."
                ) from None
        raise CannotRead("Reading was stopped.")


def _started(job: Job, stack: ExitStack) -> socket.socket:
    """A reader with this to do; it ends at the latest when the stack does. Raises ConnectionError if it is gone
    before it knows what to do.
    """
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    with theirs:
        # Only this process knows what a signal to the whole group means for the run. The reader ends with its socket.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            process = subprocess.Popen(  # noqa: S603  # our own module
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    stack.callback(process.wait)
    stack.callback(process.kill)
    _send(ours, job)
    return ours


def _raise_what_is_wrong(word: Word) -> None:
    if word.cannot_read is not None:
        raise CannotRead(word.cannot_read)
    if word.disk is not None:
        raise OSError(*word.disk)
    if word.bug is not None:
        log.error("a reader failed", error=word.bug)
        raise RuntimeError(word.bug)


def _send(to: socket.socket, message: Struct, descriptors: Sequence[int] = ()) -> None:
    body = msgspec.msgpack.encode(message)
    socket.send_fds(to, [len(body).to_bytes(_LENGTH_BYTES, "big")], descriptors)
    to.sendall(body)


def _received(source: socket.socket, kind: type[T]) -> tuple[T, list[int]]:
    """The next message, and the descriptors that came with it. Raises ConnectionError or EOFError if the other end is
    gone.
    """
    head, descriptors, _, _ = socket.recv_fds(source, _LENGTH_BYTES, _MOST_DESCRIPTORS)
    head += _exactly(source, _LENGTH_BYTES - len(head))
    return msgspec.msgpack.decode(_exactly(source, int.from_bytes(head, "big")), type=kind), descriptors


def _exactly(source: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = source.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return bytes(found)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class _Reader:
    """The other end: reads, and says how far it is in a thread, which also listens."""

    def __init__(self, parent: socket.socket) -> None:
        self._parent = parent
        self._job, _ = _received(parent, Job)
        self._parts: queue.SimpleQueue[tuple[Part, list[int]]] = queue.SimpleQueue()
        self._speaking = threading.Lock()

    def work(self) -> None:
        job = self._job
        files = [file_at(place) for place in job.files]
        rows = SortedRows(files, Path(job.folder), job.received_ms, job.window, shared_by=job.readers)
        threading.Thread(target=self._stay_in_touch, args=[rows], daemon=True).start()
        rows.add(job.mine)
        if job.writes:
            for _ in range(job.readers - 1):
                rows.take(*self._parts.get())
            self._say(self._word(rows, prepared=rows.write()))
        else:
            part, descriptors = rows.give()
            self._say(self._word(rows, part=part), descriptors)

    def fail(self, error: Exception) -> None:
        if isinstance(error, CannotRead):
            self._say(Word(cannot_read=str(error)))
        elif isinstance(error, OSError):
            self._say(Word(disk=(error.errno or 0, error.strerror or type(error).__name__)))
        else:
            self._say(Word(bug=kind_and_place(error)))

    def _word(self, rows: SortedRows, *, part: Part | None = None, prepared: Prepared | None = None) -> Word:
        return Word(rows.read, rows.written, rows.disk_bytes, part, prepared)

    def _say(self, word: Word, descriptors: Sequence[int] = ()) -> None:
        with self._speaking:
            _send(self._parent, word, descriptors)

    def _stay_in_touch(self, rows: SortedRows) -> None:
        try:
            while True:
                if select.select([self._parent], [], [], SAY_EVERY_S)[0]:
                    self._parts.put(_received(self._parent, Part))
                else:
                    self._say(self._word(rows))
        except (OSError, EOFError):
            os._exit(1)  # the process that started it is gone


def main(descriptor: int) -> None:
    """What `python -m` runs."""
    with socket.socket(fileno=descriptor) as parent, suppress(ConnectionError, EOFError):
        reader = _Reader(parent)
        try:
            reader.work()
        except Exception as error:  # whatever it is, the process that started it has to know
            reader.fail(error)


if __name__ == "__main__":
    main(int(sys.argv[1]))
