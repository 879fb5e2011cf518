"""A private PostgreSQL for tests: its own data, a Unix socket and no port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

USER = "hogline"
_DEBIANS = Path("/usr/lib/postgresql")
NEEDS = (
    "These tests need PostgreSQL 14 or newer on this machine (Debian and Ubuntu: apt install postgresql). `make test` "
    "runs without it."
)


class NoPostgresql(Exception):
    """There is none on this machine. The text says what to do."""

    def __init__(self) -> None:
        super().__init__(NEEDS)


def _programs() -> Path:
    """The folder with `initdb` and `pg_ctl`. Raises `NoPostgresql`."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = [folder for folder in _DEBIANS.glob("*/bin") if (folder / "initdb").exists()]
    if not versions:
        raise NoPostgresql
    return max(versions, key=lambda folder: [int(part) for part in re.findall(r"\d+", folder.parent.name)])


class Server:
    """A running PostgreSQL. `url(database)` is what HOGLINE_STORE takes."""

    def __init__(self, folder: Path, *, durable: bool, settings: Sequence[str] = ()) -> None:
        """`settings`: of postgresql.conf, each as NAME=VALUE."""
        self.folder = folder
        self._programs = _programs()
        self._settings = (f"fsync={'on' if durable else 'off'}", *settings)
        self._user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        group = None if self._user is None else pwd.getpwnam(self._user).pw_gid
        subprocess.run(
            [str(self._programs / program), "-D", str(self.folder / "data"), *arguments],
            user=self._user,
            group=group,
            extra_groups=None if self._user is None else [],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )

    def create(self) -> None:
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        options = " ".join([f"-k {self.folder} -c listen_addresses=", *(f"-c {one}" for one in self._settings)])
        self._run("pg_ctl", "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate`: as if it had crashed."""
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    def fork(self, folder: Path) -> None:
        """Copy a stopped server's data, as a standby has it."""
        subprocess.run(["cp", "-a", str(self.folder / "data"), str(folder)], check=True)

    def fail_over(self, standby: Path) -> None:
        """The server is lost, and this standby is promoted."""
        self.stop("immediate")
        shutil.rmtree(self.folder / "data")
        standby.rename(self.folder / "data")
        (self.folder / "data" / "standby.signal").touch()
        self.start()
        self._run("pg_ctl", "-w", "promote")

    @property
    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])


@contextmanager
def private(*, durable: bool = False, settings: Sequence[str] = ()) -> Iterator[Server]:
    """A server as long as the context lasts. Without `durable` it is faster, and a power cut would harm it. Raises
    `NoPostgresql`.
    """
    folder = Path(tempfile.mkdtemp(prefix="hogline-pg-"))
    server = Server(folder, durable=durable, settings=settings)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
