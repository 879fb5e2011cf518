"""Starts `hogline` commands without importing Hogline each time, which takes Python most of a second.

One process imports it, and forks itself for every command. A command is a real process with its own arguments,
environment and streams, and can be killed like any other.
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import IO, Self

import msgspec
from msgspec import Struct

from hogline.cli.app import COMMANDS, app, main


class _Asked(Struct):
    arguments: list[str]
    environment: dict[str, str]
    folder: str


class Command:
    """A command that was started; like `subprocess.Popen`, as far as tests need it."""

    def __init__(self, channel: socket.socket, streams: Mapping[str, IO[bytes]]) -> None:
        self._channel = channel
        self._said = channel.makefile("rb")
        self.pid = int(self._said.readline())
        self.stdin, self.stdout, self.stderr = (streams.get(name) for name in _STREAMS)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, None while it runs; -9 if it was killed with signal 9."""
        if self.returncode is None and select.select([self._channel], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._channel], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("hogline", timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def _end(self) -> None:
        self.returncode = int(self._said.readline())
        self._said.close()
        self._channel.close()

    def send_signal(self, number: int) -> None:
        """Does nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Returns once it has ended."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()


_STREAMS = ("stdin", "stdout", "stderr")
_READ_BY_IMPORTS = ("PYTHONPATH", "COLUMNS", "NO_COLOR", "FORCE_COLOR")
"""Commands with other values of these come from another process."""


def start(
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Command:
    """Start `hogline` with these arguments. The streams are as `subprocess.Popen` takes them."""
    theirs: list[int] = []
    ours: dict[str, IO[bytes]] = {}
    to_close: list[int] = []
    for number, (name, given) in enumerate(zip(_STREAMS, (stdin, stdout, stderr), strict=True)):
        if given == subprocess.PIPE:
            ends = os.pipe()
            taken, kept = ends if number == 0 else ends[::-1]
            ours[name] = os.fdopen(kept, "wb" if number == 0 else "rb")
            to_close.append(taken)
        elif given == subprocess.DEVNULL:
            to_close.append(taken := os.open(os.devnull, os.O_RDWR))
        else:
            taken = number if given is None else given if isinstance(given, int) else given.fileno()
        theirs.append(taken)
    ask, answer = socket.socketpair()
    try:
        _forker(*map(env.get, _READ_BY_IMPORTS)).send(answer, theirs)
    finally:
        answer.close()
        for file in to_close:
            os.close(file)
    ask.sendall(msgspec.json.encode(_Asked([*arguments], {**env}, os.getcwd())) + b"\n")  # noqa: PTH109  # as text
    return Command(ask, ours)


class _Forker:
    """The process that forks, as seen by the one that asks."""

    def __init__(self, *values: str | None) -> None:
        """`values`: of the variables that imports read."""
        given = {name: value for name, value in zip(_READ_BY_IMPORTS, values, strict=True) if value is not None}
        others = {name: value for name, value in os.environ.items() if name not in _READ_BY_IMPORTS}
        self._control, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hogline.testing.forked", str(theirs.fileno())],
                env=others | given,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def send(self, channel: socket.socket, streams: list[int]) -> None:
        with self._one_at_a_time:
            socket.send_fds(self._control, [b"+"], [channel.fileno(), *streams])

    def _end(self) -> None:
        self._control.close()
        self._process.wait()


_forker = cache(_Forker)


def _fork(control: socket.socket) -> list[str] | None:
    """Fork for everyone who asks. Returns twice: the arguments, in each new process; None when nobody asks anymore."""
    noted, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: dict[int, socket.socket] = {}
    while True:
        ready = select.select([control.fileno(), noted], [], [])[0]
        if noted in ready:
            os.read(noted, 4_096)
            _reap(children)
        if control.fileno() not in ready:
            continue
        byte, files, _, _ = socket.recv_fds(control, 1, 4)
        if not byte:
            return None
        channel = socket.socket(fileno=files[0])
        with channel.makefile("rb") as said:
            asked = msgspec.json.decode(said.readline(), type=_Asked)
        if pid := os.fork():
            children[pid] = channel
            channel.sendall(b"%d\n" % pid)
            for file in files[1:]:
                os.close(file)
            continue
        for one in (control, channel, *children.values()):
            one.close()
        _become(asked, files[1:], [noted, wake])
        return asked.arguments


def _reap(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as channel:
            channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(asked: _Asked, streams: list[int], spare: list[int]) -> None:
    """The process that was asked for, where everything else is as it was before."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(streams):
        os.dup2(file, number)
    for file in {*streams, *spare} - {0, 1, 2}:
        os.close(file)
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.folder)


if __name__ == "__main__":
    for command in COMMANDS:
        app[command]  # imports it
    gc.collect()
    gc.freeze()
    given = _fork(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        sys.argv = ["hogline", *given]
        main()
