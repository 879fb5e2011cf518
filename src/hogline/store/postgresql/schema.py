"""Creates the tables and brings those of an older version up to date. Forward only.

Each script says the oldest version that can still use the tables after it (`-- oldest_reader: N`). A change that older
ones cannot live with comes in two releases: the first adds, the second removes.
"""

from __future__ import annotations

import re
import time
from importlib.resources import files

import psycopg
import structlog

from hogline.store.base import Unusable
from hogline.store.postgresql.link import Link, as_long_as_it_takes, rows, value

log = structlog.get_logger("hogline.store")

_OLDEST = re.compile(r"^-- oldest_reader: (\d+)$", re.MULTILINE)
_LOCK = 0x_68_6F_67_6C
"""Two processes that start at the same time create the tables one after the other."""
WAIT_S = 60.0
"""For so long it tries to upgrade tables that somebody else is using."""
PAUSE_S = 3.0


def scripts() -> list[str]:
    folder = files("hogline.store.postgresql") / "schema"
    return [script.read_text("utf-8") for script in sorted(folder.iterdir(), key=lambda file: file.name)]


def oldest_reader(script: str) -> int:
    found = _OLDEST.search(script)
    assert found is not None, "a schema script without oldest_reader"
    return int(found[1])


def schema_of(link: Link) -> bytes:
    """The schema that a connection uses."""
    name: str = rows(link, b"SELECT current_setting('search_path')")[0][0]
    return name.encode()


def migrate(link: Link, known: list[str] | None = None) -> None:
    """Waits for nobody if there is nothing to do. Blocks. Raises `Unusable` if the tables are too new for this Hogline,
    and `psycopg.Error`."""
    known = scripts() if known is None else known
    if value(link, b"SELECT to_regclass('schema') IS NOT NULL") and _version(link, len(known))[0] >= len(known):
        return
    until_s = time.monotonic() + WAIT_S
    while True:
        try:
            with as_long_as_it_takes(link), link.transaction():
                _upgrade(link, known)
        except psycopg.errors.LockNotAvailable:  # pg_dump reads the tables, for example
            if time.monotonic() >= until_s:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def _upgrade(link: Link, known: list[str]) -> None:
    """In a transaction. Raises as `migrate`."""
    link.execute(b"SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    # A table that an upgrade waits for cannot be used by anybody else, and others deliver meanwhile.
    link.execute(b"SET LOCAL lock_timeout = '1s'")
    # Even IF NOT EXISTS needs the right to create schemas.
    if not value(link, b"SELECT to_regnamespace(%(name)s::text) IS NOT NULL", {"name": schema_of(link).decode()}):
        link.execute(b"CREATE SCHEMA " + schema_of(link))
    link.execute(b"CREATE TABLE IF NOT EXISTS schema (version integer NOT NULL, oldest_reader integer NOT NULL)")
    version, oldest = _version(link, len(known))
    for number, script in enumerate(known[version:], version + 1):
        link.execute(script.encode())
        oldest = max(oldest, oldest_reader(script))
        link.execute(b"DELETE FROM schema")
        link.execute(b"INSERT INTO schema VALUES (%s, %s)", (number, oldest))
    if 0 < version < len(known):
        log.info("upgraded the store in PostgreSQL", schema=len(known), before=version)


def _version(link: Link, newest: int) -> tuple[int, int]:
    """Of the tables, and the oldest that can still use them. Raises `Unusable` if that is newer than `newest`."""
    found = rows(link, b"SELECT version, oldest_reader FROM schema")
    version, oldest = found[0] if found else (0, 0)
    if oldest > newest:
        raise Unusable(
            f"The store in PostgreSQL was written by a newer Hogline (version {version}, this one knows {newest}). "
            "Install that version or a newer one."
        )
    return version, oldest
