"""The state in PostgreSQL: connections, people, positions, counters, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec

from hogline.core.changes import Flush, Intent, Settlement
from hogline.core.told import WAITS_MS
from hogline.store.base import Connection, Counts, NameTaken, TokenKind, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.event_log import Unlogged
from hogline.store.forgetting import Suppressed
from hogline.store.postgresql import records
from hogline.store.postgresql.claim import Claim
from hogline.store.postgresql.directory import PostgresqlLists
from hogline.store.postgresql.failures import PostgresqlFailures
from hogline.store.postgresql.forgetting import PostgresqlForgetting, suppressed_hashes, to_clean
from hogline.store.postgresql.link import WITHIN_S, Link, Row, Values, a_moment, execute, firsts, rows, vacuum, value
from hogline.store.postgresql.parts import PostgresqlParts, put_sheets
from hogline.store.postgresql.pen import Pen
from hogline.store.postgresql.presence import Hand, end_connections
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.resending import PostgresqlResends
from hogline.store.postgresql.settling import expire_held, settle
from hogline.store.postgresql.trouble import trouble_of
from hogline.store.values import READ_BYTES
from hogline.store.writer import Writer

T = TypeVar("T")
_Job = Callable[[Link], object]

SQL = queries("state")

LOOP_WITHIN_S = 2.0
"""The event loop waits for an answer, so it must not be long."""
READ_WITHIN_S = 60.0
_WITH_PEOPLE = ("known", "ids", "told", "ledger", "held", "failures", "again", "seen", "unlogged")
_OF_CONNECTION = tuple(name for name in SQL if name.startswith("remove_") and name != "remove_token")


class PostgresqlState(
    PostgresqlForgetting,
    PostgresqlResends,
    PostgresqlFailures,
    PostgresqlLists,
    PostgresqlParts,
    records.RecordReader,
):
    """Implements `store.base.State`. What the core reads takes one round trip in the event loop; everything else is
    read in another thread, and searches in a third.
    """

    def __init__(self, claim: Claim | Hand, vault: Vault) -> None:
        """Raises `psycopg.Error`. Blocks; create it in the running event loop."""
        self._claim = claim
        self._vault = vault
        self._loop_reading = claim.reading("core", within_s=LOOP_WITHIN_S, reopens_itself=False)
        records.RecordReader.__init__(self, self._loop_reading.rows)
        self._reading = claim.reading("state", within_s=READ_WITHIN_S, reopens_itself=True)
        self._searching = claim.reading("search", within_s=READ_WITHIN_S, reopens_itself=True)
        self._read_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state-read")
        self._search_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state-search")
        self.suppressed = Suppressed(vault.fingerprint, suppressed_hashes(self._reading.rows))
        self._pen = Pen(claim, claim.state_writer, first=SQL["in_turn"])
        self._writer: Writer[_Job] = Writer(
            self._perform, name="state-writer", probe=self._pen.touch, trouble_of=trouble_of
        )

    def _perform(self, jobs: list[_Job]) -> list[object]:
        return self._pen.write(lambda link: [job(link) for job in jobs])

    async def _write(self, job: Callable[[Link], T]) -> T:
        if self._claim.trouble is not None:
            raise Unwritable(self._claim.trouble)
        return await self._writer.write(job)  # type: ignore[return-value]  # what `_perform` gave for this job

    async def write(self, job: Callable[[Link], T]) -> T:
        """In one transaction of this process, if it still may. Raises `Unwritable`."""
        return await self._write(job)

    async def read(self, query: bytes, values: Values | None = None) -> list[Row]:
        """Raises `Unwritable`."""
        return await self._read(query, values)

    async def read_suppressed(self) -> None:
        """Another process has changed who is suppressed. Raises `Unwritable`."""
        self.suppressed.replace(firsts(await self._read(SQL["suppressed_hashes"])))

    async def end_connections(self, processes: Sequence[UUID]) -> None:
        """Of processes that are taken for dead. Raises `Unwritable`."""

        def end() -> None:
            with a_moment(self._claim.url, self._claim.myself.named("end"), WITHIN_S) as link:
                end_connections(link, processes)

        await asyncio.to_thread(end)

    async def _read(self, query: bytes, values: Values | None = None) -> list[Row]:
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, self._reading.rows, query, values)

    async def _in_thread(self, look: Callable[[], T]) -> T:
        """In the thread for searches."""
        return await asyncio.get_running_loop().run_in_executor(self._search_thread, look)

    @property
    def trouble(self) -> str | None:
        return self._claim.trouble or self._writer.trouble

    async def clean(self) -> bool:
        """What was removed is free space for PostgreSQL, which overwrites it in time; see docs/scale.md."""
        await asyncio.to_thread(vacuum, self._claim.url, _WITH_PEOPLE)
        return True

    async def close(self) -> None:
        self._pen.closing = self._claim.trouble is not None
        await self._writer.close()
        for thread in (self._read_thread, self._search_thread):
            await asyncio.to_thread(thread.shutdown)
        for reading in (self._loop_reading, self._reading, self._searching):
            reading.close()
        self._pen.close()

    # tokens

    async def tokens(self, kind: TokenKind = "private") -> list[str]:
        found = await self._read(SQL["tokens"], {"kind": kind})
        return [self._vault.decrypt(token).decode() for (token,) in found]

    async def add_token(self, token: str, kind: TokenKind = "private") -> None:
        given = {"token": self._vault.encrypt(token.encode()), "kind": kind}
        await self._write(lambda link: execute(link, SQL["add_token"], given))

    async def remove_token(self, token: str) -> None:
        # Each encryption of the same token is different, so they are compared decrypted.
        for id_, encrypted in await self._read(SQL["all_tokens"]):
            if self._vault.decrypt(encrypted).decode() == token:
                await self._write(lambda link, id_=id_: execute(link, SQL["remove_token"], {"id": id_}))  # type: ignore[misc]  # bound now

    # connections

    async def connections(self) -> list[Connection]:
        return [self._connection(row) for row in await self._read(SQL["connections"])]

    def _connection(self, row: Row) -> Connection:
        id_, name, destination, options, paused, stopped, start, created_ms, workspace, since_ms = row
        return Connection(
            id=id_,
            name=name,
            destination=destination,
            options=msgspec.json.decode(self._vault.decrypt(options), type=dict[str, object]),
            paused=paused,
            stopped=stopped,
            start=start,
            created_ms=created_ms,
            workspace=workspace,
            since_ms=since_ms,
        )

    def _encrypted(self, options: Mapping[str, object]) -> bytes:
        return self._vault.encrypt(msgspec.json.encode(options))

    async def add_connection(
        self,
        *,
        name: str,
        destination: str,
        options: Mapping[str, object],
        paused: bool,
        start: int,
        now_ms: int,
        workspace: str | None = None,
    ) -> Connection:
        given = {
            "name": name,
            "destination": destination,
            "options": self._encrypted(options),
            "paused": paused,
            "start": start,
            "now_ms": now_ms,
            "workspace": workspace,
        }
        added: int | None = await self._write(lambda link: value(link, SQL["add_connection"], given))
        if added is None:
            raise NameTaken(name)
        return Connection(
            id=added,
            name=name,
            destination=destination,
            options=dict(options),
            paused=paused,
            stopped=None,
            start=start,
            created_ms=now_ms,
            workspace=workspace,
            since_ms=now_ms,
        )

    async def change_connection(self, changed: Connection) -> None:
        given = {
            "id": changed.id,
            "name": changed.name,
            "options": self._encrypted(changed.options),
            "paused": changed.paused,
            "stopped": changed.stopped,
            "workspace": changed.workspace,
            "since_ms": changed.since_ms,
        }
        await self._write(lambda link: execute(link, SQL["change_connection"], given))

    async def remove_connection(self, connection: int) -> None:
        def remove(link: Link) -> None:
            for name in _OF_CONNECTION:
                execute(link, SQL[name], {"connection": connection})
            to_clean(link, "state")

        await self._write(remove)

    # what the core asks to be written (what it reads: `RecordReader`)

    async def flush(self, flush: Flush) -> None:
        def write(link: Link) -> None:
            records.flush(flush)(link)
            put_sheets(link, flush.sheets)

        await self._write(write)

    async def intend(self, intent: Intent) -> None:
        await self._write(partial(records.intend, intent))

    async def settle(self, settlement: Settlement) -> None:
        await self._write(partial(settle, settlement, partial(records.settle, settlement)))

    async def options_changed(self, connection: int, now_ms: int) -> None:
        def change(link: Link) -> None:
            execute(link, SQL["release_held"], {"connection": connection})
            execute(link, SQL["look_again"], {"connection": connection, "now_ms": now_ms, "never_ms": WAITS_MS})

        await self._write(change)

    async def expire_held(self, connection: int, *, received_before_ms: int, most_bytes: int) -> int:
        return await self._write(
            partial(expire_held, connection=connection, received_before_ms=received_before_ms, most_bytes=most_bytes)
        )

    # what happened to events

    async def lanes(self, connection: int) -> dict[int, int]:
        return dict(await self._read(SQL["lanes"], {"connection": connection}))

    async def run_counts(self, connection: int, run: int) -> dict[str, int]:
        found = await self._read(SQL["run_counts"], {"connection": connection, "run": f"run {run}"})
        return dict(found)

    async def drop_runs(self, runs: Collection[int]) -> None:
        kinds = [f"run {run}" for run in runs]
        await self._write(lambda link: execute(link, SQL["drop_runs"], {"runs": kinds}))

    async def counts(self, connection: int) -> Counts:
        by_kind: dict[str, dict[str, int]] = {}
        for kind, reason, n in await self._read(SQL["counts"], {"connection": connection}):
            by_kind.setdefault(kind, {})[reason] = n
        return Counts(
            delivered=by_kind.get("delivered", {}).get("", 0),
            requests=by_kind.get("requests", {}).get("", 0),
            filtered={reason: n for reason, n in by_kind.get("filtered", {}).items() if n},
            held=by_kind.get("held", {}).get("", 0),
            failures=by_kind.get("failures", {}),
            adjusted=by_kind.get("adjusted", {}),
            retries=by_kind.get("retries", {}),
            replayed=by_kind.get("replayed", {}),
        )

    # what the event log is to learn

    async def unlogged(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[Unlogged]:
        given = {"after": after, "most": limit, "most_bytes": most_bytes}
        return [Unlogged(*row) for row in await self._read(SQL["unlogged"], given)]

    async def drop_unlogged(self, most_bytes: int) -> int:
        return await self._write(lambda link: len(rows(link, SQL["drop_unlogged"], {"most_bytes": most_bytes})))

    async def logged(self, up_to: int) -> int:
        def drop(link: Link) -> int:
            execute(link, SQL["logged"], {"up_to": up_to})
            newest: int = rows(link, SQL["newest_unlogged"])[0][0]
            return newest

        return await self._write(drop)
