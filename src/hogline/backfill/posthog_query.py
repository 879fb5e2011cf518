"""Events by PostHog's query API, for a PostHog without file downloads: page by page, a day at a time.

PostHog's limits for it are 240 queries a minute and 10 seconds each. Pages follow one another by (timestamp, uuid): by
time alone, events of the same moment would be lost between two pages. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec
from msgspec import Struct

from hogline.backfill.files import CannotRead

SCOPE = "query:read"
PAGE_ROWS = 5_000
DAY = timedelta(days=1)
LATEST = timedelta(days=14)
"""Events that arrive later than that after they happened are not found by when they arrived."""

_COLUMNS = "uuid, event, distinct_id, person_id, properties, person.properties, elements_chain, timestamp"


class _Page(Struct):
    columns: msgspec.Raw
    results: list[msgspec.Raw]


class _Last(Struct, array_like=True):
    """A row's end: its columns may be of any type."""

    uuid: str
    event: object
    distinct_id: object
    person_id: object
    properties: object
    person_properties: object
    elements_chain: object
    timestamp: str


Ask: TypeAlias = Callable[[Mapping[str, object]], bytes]
"""Sends the body of a query and returns the body of the answer."""


def lines(ask: Ask, start: datetime, end: datetime) -> Iterator[bytes]:
    """The events of this interval, by their own time, as JSON lines, each a complete answer with one row. Raises
    `CannotRead`.
    """
    while start < end:
        until = min(start + DAY, end)
        yield from _lines(ask, start, until)
        start = until


def arrived(ask: Ask, start: datetime, end: datetime) -> Iterator[bytes]:
    """The events that PostHog received in this interval, those of the last weeks: others would have to be looked for in
    all of history. Raises `CannotRead`.
    """
    which = f" AND created_at >= {_time(start)} AND created_at < {_time(end)}"
    yield from _lines(ask, start - LATEST, end + DAY, which)


def _lines(ask: Ask, start: datetime, end: datetime, which: str = "") -> Iterator[bytes]:
    after = which
    while True:
        page = _page(ask(_query(start, end, after)))
        head = b'{"columns":' + bytes(page.columns) + b',"results":['
        for row in page.results:
            yield head + bytes(row) + b"]}\n"
        if len(page.results) < PAGE_ROWS:
            return
        last = msgspec.json.decode(page.results[-1], type=_Last)
        at = _time(datetime.fromisoformat(last.timestamp))
        after = f"{which} AND (timestamp > {at} OR (timestamp = {at} AND uuid > toUUID('{_uuid(last.uuid)}')))"


def _query(start: datetime, end: datetime, after: str) -> dict[str, object]:
    text = (
        f"SELECT {_COLUMNS} FROM events WHERE timestamp >= {_time(start)} AND timestamp < {_time(end)}{after} "  # noqa: S608  # of times and a uuid, made here
        f"ORDER BY timestamp, uuid LIMIT {PAGE_ROWS}"
    )
    modifiers = {"convertToProjectTimezone": False}
    return {
        "query": {"kind": "HogQLQuery", "query": text, "modifiers": modifiers},
        "name": "hogline history",
        "refresh": "force_blocking",
    }


def _time(moment: datetime) -> str:
    """Without a zone it is UTC."""
    utc = moment - (moment.utcoffset() or timedelta(0))
    return f"toDateTime64('{utc.strftime('%Y-%m-%d %H:%M:%S.%f')}', 6, 'UTC')"


def _uuid(text: str) -> str:
    """Checked: it goes into a query."""
    if not (len(text) == 36 and all(each in "0123456789abcdefABCDEF-" for each in text)):
        raise CannotRead("PostHog's answer to a query has a uuid that is none.")
    return text


def _page(body: bytes) -> _Page:
    try:
        return msgspec.json.decode(body, type=_Page)
    except msgspec.MsgspecError:
        raise CannotRead("PostHog did not answer a query with rows. Try again later.") from None
