"""Opens a data directory's state as `hogline serve` does, and kills itself at a step of SQLite's machine, or behind the
last; without one it says how many steps there are. Arguments: the folder, and which step."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import apsw

from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.state import SqliteState

steps = 0


def main(folder: Path, last: int) -> None:
    def step() -> bool:
        global steps  # noqa: PLW0603  # counted over all connections
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    def watch(connection: apsw.Connection) -> None:
        connection.set_progress_handler(step, 200)

    async def work() -> None:
        SqliteState(folder / "state.db", Vault((folder / "secret.key").read_text()))
        print(steps, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)  # no clean stop

    apsw.connection_hooks.append(watch)
    asyncio.run(work())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
