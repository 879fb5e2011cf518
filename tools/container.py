"""The steps of deploy/Containerfile without a container engine: each stage is a copy of a bare root, `RUN` runs in it,
and at the end the command runs as the image would be run: by its user, on a root that cannot be written to.

`make test-fresh` uses it (`tools/fresh.py`). Needs root, for chroot and namespaces.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WITHIN_S = 60
STOPS_WITHIN_S = 15
"""Less than the ten seconds that engines wait would be a guess on a busy machine; `hogline serve` needs about one."""


@dataclass
class Image:
    """What the stages come to."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: int = 0
    volume: str = ""
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    folder: str = "/"


class Wrong(Exception):
    """A sentence."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction of a Containerfile with its arguments."""
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name.upper(), rest) for name, _, rest in (line.strip().partition(" ") for line in joined.splitlines())]


Runs = Callable[[Path, str, Mapping[str, str]], object]
"""Runs a script in a root, with these variables."""


def build(file: Path, context: Path, *, new_root: Callable[[], Path], run: Runs) -> Image:
    """`context`: the checkout. `new_root`: a fresh copy of what stands for the base image."""
    builder = _Builder(context, new_root, run)
    for name, rest in instructions(file.read_text("utf-8")):
        if name not in {"EXPOSE", "STOPSIGNAL"}:  # these say what an engine does
            getattr(builder, f"do_{name.lower()}")(rest)
    image = builder.image
    if not image.command or not image.health or not image.volume:
        raise Wrong("The file has no CMD, no HEALTHCHECK or no VOLUME.")
    return image


class _Builder:
    """A method for each instruction that means something here."""

    def __init__(self, context: Path, new_root: Callable[[], Path], run: Runs) -> None:
        self._context, self._new_root, self._run = context, new_root, run
        self._stages: dict[str, Image] = {}
        self.image: Image

    def do_from(self, rest: str) -> None:
        self.image = Image(self._new_root())
        if found := re.search(r" AS (\w+)$", rest, re.IGNORECASE):
            self._stages[found[1]] = self.image

    def do_workdir(self, rest: str) -> None:
        self.image.folder = rest
        Path(f"{self.image.root}{rest}").mkdir(parents=True, exist_ok=True)

    def do_copy(self, rest: str) -> None:
        *options, source, target = shlex.split(rest)
        origin = self._stages[options[0].removeprefix("--from=")].root if options else self._context
        place = target if target.startswith("/") else f"{self.image.folder}/{target}"
        shutil.copytree(f"{origin}/{source}", f"{self.image.root}{place}", symlinks=True, dirs_exist_ok=True)

    def do_run(self, rest: str) -> None:
        self._run(self.image.root, f"cd {self.image.folder} && {rest}", self.image.environment)

    def do_env(self, rest: str) -> None:
        known = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **self.image.environment}
        for one in shlex.split(rest):
            name, _, value = one.partition("=")
            self.image.environment[name] = value.replace("$PATH", known["PATH"])

    def do_user(self, rest: str) -> None:
        self.image.user = int(rest)

    def do_volume(self, rest: str) -> None:
        self.image.volume = rest

    def do_cmd(self, rest: str) -> None:
        self.image.command = json.loads(rest)

    def do_healthcheck(self, rest: str) -> None:
        self.image.health = json.loads(rest.partition("CMD ")[2])


def try_it(image: Image, more: Mapping[str, str]) -> None:
    """Runs the command until the health check passes, and ends it. `more`: variables of whoever runs it. Raises
    Wrong."""
    environment = {**image.environment, **more}
    started = _start(image, image.command, environment)
    try:
        until = time.monotonic() + WITHIN_S
        while (health := _enter(started.pid, image, environment)).returncode:
            if started.poll() is not None or time.monotonic() > until:
                started.kill()
                raise Wrong(f"It does not get healthy:\n{started.communicate()[0]}\n{health.stdout}")
            time.sleep(0.2)
        started.send_signal(signal.SIGTERM)
        told, _ = started.communicate(timeout=STOPS_WITHIN_S)
    finally:
        started.kill()
    if started.returncode:
        raise Wrong(f"It ended with exit code {started.returncode}:\n{told}")


def refused(image: Image) -> str:
    """What the command says without more than the image has, when it refuses to run. Raises Wrong if it runs."""
    done = _start(image, image.command, image.environment)
    try:
        told, _ = done.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        done.kill()
        raise Wrong("It runs without a password of the console.") from None
    if not done.returncode:
        raise Wrong(f"It ended without a complaint:\n{told}")
    return told


def _start(image: Image, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    within = [sys.executable, __file__, str(image.root), image.volume, str(image.user), *command]
    return subprocess.Popen(
        ["unshare", "--mount", "--net", *within],
        env={**environment, "HOME": image.volume},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _enter(pid: int, image: Image, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The health check, beside the command."""
    user = f"--userspec={image.user}:{image.user}"
    command = ["nsenter", f"--target={pid}", "--net", "chroot", user, str(image.root), *image.health]
    return subprocess.run(
        command,
        env=dict(environment),
        check=False,
        timeout=WITHIN_S,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _become() -> None:
    """In namespaces of its own: what an engine does before it runs a command with `--read-only` and one volume."""
    root, volume, user, *command = sys.argv[1:]
    mounts = (
        ("--make-rprivate", "/"),
        ("--bind", root, root),
        ("-o", "remount,bind,ro", root),
        ("--bind", f"{root}{volume}", f"{root}{volume}"),
        ("-o", "remount,bind,rw", f"{root}{volume}"),
        ("-t", "tmpfs", "tmpfs", f"{root}/tmp"),  # noqa: S108  # of the root
        ("-t", "proc", "proc", f"{root}/proc"),
        ("--bind", "/dev", f"{root}/dev"),
    )
    for arguments in mounts:
        subprocess.run(["mount", *arguments], check=True)
    _bring_up_loopback()
    os.chroot(root)
    os.chdir(volume)
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    os.execvpe(command[0], command, os.environ)


def _bring_up_loopback() -> None:
    up, set_flags = 0x1, 0x8914  # IFF_UP, SIOCSIFFLAGS (netdevice(7))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up))


if __name__ == "__main__":
    _become()
