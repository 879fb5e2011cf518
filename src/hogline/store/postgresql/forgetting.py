"""Forgetting and suppressing people in the state, in SQL. Everything that knows the tables with people is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from hogline.core.ledger import is_email
from hogline.model import Refusal
from hogline.posthog.entry import FORGOTTEN
from hogline.posthog.forgetting import without
from hogline.store.datadir.secrets import Vault
from hogline.store.forgetting import Expired, File, Forgotten, Suppressed, ToClean
from hogline.store.postgresql import records, retention
from hogline.store.postgresql.link import Link, Row, Values, execute, firsts, rows, value
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.reading import Reading
from hogline.store.postgresql.resending import name_nobody_gone
from hogline.store.postgresql.settling import count, give_up, note_change

T = TypeVar("T")

SQL = queries("forgetting")


class PostgresqlForgetting:
    """The part of `PostgresqlState` that implements `store.forgetting.Forgets`, except `clean`."""

    suppressed: Suppressed
    _vault: Vault
    _searching: Reading

    async def _write(self, job: Callable[[Link], T]) -> T:
        raise NotImplementedError

    async def _read(self, query: bytes, values: Values | None = None) -> list[Row]:
        raise NotImplementedError

    async def _in_thread(self, look: Callable[[], T]) -> T:
        raise NotImplementedError

    async def suppress(self, texts: Sequence[str]) -> None:
        hashes = self.suppressed.hashes(texts)
        self.suppressed.replace(await self._write(lambda link: _suppress(link, hashes)))

    async def unsuppress(self, text: str) -> bool:
        hashes = self.suppressed.hashes([text])

        def job(link: Link) -> tuple[bool, set[bytes]]:
            gone = rows(link, SQL["unsuppress"], {"hashes": sorted(hashes)})
            return bool(gone), set(firsts(rows(link, SQL["suppressed"])))

        anybody, left = await self._write(job)
        self.suppressed.replace(left)
        return anybody

    async def forget(
        self,
        ids: Sequence[str],
        waiting: Mapping[int, int],
        *,
        emails: Mapping[int, Sequence[str]],
        suppress: Sequence[str] = (),
    ) -> dict[int, Forgotten]:
        hashes = self.suppressed.hashes(suppress)
        to_do = self._vault.encrypt(msgspec.json.encode(list(ids)))

        def job(link: Link) -> tuple[dict[int, Forgotten], set[bytes]]:
            execute(link, SQL["forget"], {"distinct_ids": to_do})
            for name in ("forget_known", "forget_ids", "forget_seen"):
                execute(link, SQL[name], {"names": list(ids)})
            forgotten = {one: _forget(link, one, ids, more, emails.get(one, ())) for one, more in waiting.items()}
            name_nobody_gone(link)
            to_clean(link, "journal")
            to_clean(link, "state")
            return forgotten, _suppress(link, hashes)

        forgotten, suppressed = await self._write(job)
        self.suppressed.replace(suppressed)
        return forgotten

    async def with_email(self, email: str, *, ever: bool = False) -> list[str]:
        """`ever` reads whole tables, which takes seconds with millions of people, so it runs in another thread."""
        email = email.strip()
        return await self._in_thread(lambda: self._with_email(email, ever=ever))

    def _with_email(self, email: str, *, ever: bool) -> list[str]:
        small = email.lower()
        if not ever:
            return firsts(self._searching.rows(SQL["has_email"], {"small": small, "email": email}))
        as_bytes = {"small_bytes": _bytes(small), "email_bytes": _bytes(email)}
        found: list[str] = firsts(self._searching.rows(SQL["had_email"], as_bytes))
        reader = records.RecordReader(self._searching.rows)
        told = [reader.told(one, found) for one in firsts(self._searching.rows(SQL["connection_ids"]))]
        return [
            who
            for who in found
            if any(small in {one.lower() for one in some[who].remembered_emails} for some in told if who in some)
        ]

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        return await self._write(
            lambda link: retention.expire(link, before_day=before_day, today=today, after=after, most=most)
        )

    async def expire_failures(self, connection: int, *, before_ms: int, most: int) -> int:
        given = {"connection": connection, "before_ms": before_ms, "most": most}

        def job(link: Link) -> int:
            expired = sorted(firsts(rows(link, SQL["expire_failures"], given)))
            count(link, connection, [("filtered", "failure_expired", len(expired))])
            note_change(link, connection, expired, ("filtered", "failure_expired"))
            return len(expired)

        return await self._write(job)

    async def forgetting(self) -> list[str]:
        found = await self._read(SQL["forgetting"])
        return [one for (row,) in found for one in msgspec.json.decode(self._vault.decrypt(row), type=list[str])]

    async def end_forgetting(self) -> None:
        await self._write(lambda link: execute(link, SQL["end_forgetting"]))

    async def to_clean(self) -> list[ToClean]:
        return [ToClean(*row) for row in await self._read(SQL["cleaning"])]

    async def cleaned(self, up_to: int) -> None:
        await self._write(lambda link: execute(link, SQL["cleaned"], {"up_to": up_to}))


def to_clean(link: Link, file: File) -> None:
    """Note that this transaction frees space, which PostgreSQL can use again after a vacuum."""
    execute(link, SQL["to_clean"], {"file": file})


def suppressed_hashes(read: records.Rows) -> set[bytes]:
    return set(firsts(read(SQL["suppressed"], {})))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _suppress(link: Link, hashes: set[bytes]) -> set[bytes]:
    """Suppress these together, and with anyone who already has one of them. Returns all hashes."""
    if hashes:
        execute(link, SQL["suppress"], {"hashes": sorted(hashes)})
    return set(firsts(rows(link, SQL["suppressed"])))


def _forget(link: Link, connection: int, ids: Sequence[str], waiting: int, emails: Sequence[str]) -> Forgotten:
    """Delete everything of a connection that names these ids, and these rows of its ledger. Their events count as
    filtered (`forgotten`), and so do `waiting` more."""
    held = give_up(link, connection, "forgotten", "give_up_of", {"people": list(ids)})
    theirs = _rewrite(link, connection, "failures", set(ids))
    execute(link, SQL["drop_failures"], {"connection": connection, "positions": theirs})
    _rewrite(link, connection, "held", set(ids))
    for name in ("forget_told", "forget_again", "forget_ledger"):
        execute(link, SQL[name], {"connection": connection, "names": list(ids)})
    records.change(connection, {}, dict.fromkeys(emails))(link)
    records.put_freed(link, connection, [one for one in emails if is_email(one)])
    count(link, connection, [("filtered", "forgotten", len(theirs) + waiting)])
    return Forgotten(held=held, failures=len(theirs))


def _rewrite(link: Link, connection: int, table: Literal["held", "failures"], distinct_ids: set[str]) -> list[int]:
    """Remove their names from other people's events. Returns the positions of events that are theirs."""
    theirs = []
    for distinct_id in distinct_ids:
        named = {"connection": connection, "name": _bytes(distinct_id)}
        for position, event in rows(link, SQL[f"naming_{table}"], named):
            rewritten = without(event, distinct_ids)
            if rewritten == FORGOTTEN:
                theirs.append(position)
            elif rewritten is not None:
                given: dict[str, object] = {"connection": connection, "position": position, "event": rewritten}
                if table == "failures":
                    given["refusals"] = _without_operations(link, given)
                execute(link, SQL[f"rewrite_{table}"], given)
    return sorted(set(theirs))


def _without_operations(link: Link, where: Values) -> bytes:
    """A failure's refusals quote the event."""
    refusals = msgspec.json.decode(value(link, SQL["refusals"], where), type=list[Refusal])
    return msgspec.json.encode([replace(one, operation=b"") for one in refusals])
