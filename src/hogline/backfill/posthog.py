"""Events straight from PostHog, by its file download API: an export a week, downloaded part by part. A PostHog without
that API is asked by its query API.

Endpoints and limits are those of PostHog's `products/batch_exports/backend/presentation/views/file_download.py`: at
most a week per export, no end in the future, a few exports at a time per project, signed addresses that expire. The
personal API key goes to PostHog only, never to the address of a part. Knows nothing of what is in a file.
"""

from __future__ import annotations

import io
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import IO, Any, BinaryIO, Literal, TypeAlias, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from hogline.backfill import posthog_query
from hogline.backfill.files import CannotRead, File
from hogline.backfill.unpacking import Chunks
from hogline.posthog_api import PostHogRefused, base_url

SCHEME = "posthog://"
Model: TypeAlias = Literal["events", "persons"]
SCOPES = "batch_export:read and batch_export:write"
WEEK = timedelta(days=7)
PART_MB = 100
"""Of a part, which is on disk while it is read."""

_EXPORTS = "file_download_batch_exports/"
_TRIES = 8
_STARTS = 3
"""An export that failed is started again; each costs its rows."""
_LONGEST_PAUSE_S = 60.0
_LONGEST_EXPORT_S = 6 * 3600.0
_TIMEOUT_S = 60.0
_CHUNK_BYTES = 256 * 1024
_RUNNING = {"Starting", "Running"}


def address(host: str, project: str) -> str:
    """The source of a project: `host` is `eu`, `us`, a host name, or the URL of a PostHog of your own. Raises
    `CannotRead`.
    """
    try:
        return f"{SCHEME}{base_url(host).removeprefix('https://')}/{project.strip()}"
    except PostHogRefused as refused:
        raise CannotRead(str(refused)) from None


def weeks(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The interval in pieces that PostHog exports."""
    while since < until:
        end = min(since + WEEK, until)
        yield since, end
        since = end


class PostHogExports:
    def __init__(
        self,
        source: str,
        key: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
        tries: int = _TRIES,
    ) -> None:
        """`source`: `posthog://HOST/PROJECT`; in tests the host may be an http address on this machine. `tries`: how
        often a request is made that fails in a way that may pass. Raises `CannotRead`.
        """
        found = re.fullmatch(rf"{SCHEME}(.+)/(\d{{1,12}})/?", source)
        if found is None:
            raise CannotRead(f"{source} must be like posthog://eu.posthog.com/12345, with the number of the project.")
        try:
            self._project = f"{base_url(found[1])}/api/projects/{found[2]}/"
        except PostHogRefused as refused:
            raise CannotRead(str(refused)) from None
        if not re.fullmatch(r"[!-~]{8,300}", key.strip()):
            raise CannotRead(f"A PostHog personal API key with the scopes {SCOPES} is needed: HOGLINE_POSTHOG_API_KEY.")
        self._source = source
        self._headers = {"authorization": f"Bearer {key.strip()}", "content-type": "application/json"}
        self._sleep = sleep
        self._now_s = now_s
        self._pauses = [min(2.0**number, _LONGEST_PAUSE_S) for number in range(tries - 1)]
        self.queries = False
        """Whether this PostHog has no file downloads, so that it was asked by queries."""

    def files(self, since: datetime, until: datetime, model: Model = "events") -> list[File]:
        """A file for each week. Its export begins when it is opened."""
        return [self._file(start, end, model) for start, end in weeks(since, until)]

    def arrived(self, since: datetime, until: datetime) -> File:
        """What PostHog received in this interval, of at most a week."""
        return self._file(since, until, "events", queried=posthog_query.arrived)

    def check(self) -> None:
        """Raises `CannotRead` if PostHog cannot be reached, or does not know the key. What the key may do shows when it
        is used.
        """
        try:
            self._asked("GET", f"{_EXPORTS}00000000-0000-0000-0000-000000000000/")
        except ExportRefused as refused:
            if refused.status not in {403, 404}:
                raise

    def _file(
        self,
        start: datetime,
        end: datetime,
        model: Model,
        *,
        queried: Callable[[posthog_query.Ask, datetime, datetime], Iterator[bytes]] = posthog_query.lines,
    ) -> File:
        what = "" if model == "events" else f" {model}"
        name = f"{self._source.rstrip('/')}{what} {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"

        def opened() -> BinaryIO:
            try:
                run, parts = self._exported(start, end, model)
            except _Missing:
                if model != "events":
                    raise CannotRead(f"{self._source} has no exports of people. Leave out --persons.") from None
                self.queries = True
                return io.BufferedReader(Chunks(queried(self._queried, start, end)))
            # JSON lines with gzip: parts that follow one another are one file.
            return io.BufferedReader(Chunks(self._chunks(run, parts)))

        return File(name, opened, lambda _: None, seekable=False)

    def _exported(self, start: datetime, end: datetime, model: Model) -> tuple[str, list[str]]:
        """The id of a completed export, and those of its parts."""
        wanted = {
            "model": model,
            "file": {"format": "JSONLines", "compression": "gzip", "max_size_mb": PART_MB},
            "data_interval_start": start.isoformat(),
            "data_interval_end": end.isoformat(),
        }
        for _ in range(_STARTS):
            run = str(self._ask("POST", _EXPORTS, wanted).get("id", ""))
            state = self._finished(run)
            if state.get("status") == "Completed":
                return run, [str(part) for part in cast("list[object]", state.get("files") or [])]
            if state.get("status") not in {"FailedRetryable", "TimedOut", "Terminated"}:
                break
        raise CannotRead(
            f"PostHog's export of {start:%Y-%m-%d} to {end:%Y-%m-%d} ended as {state.get('status')}"
            f"{': ' + _line(state['error']) if state.get('error') else ''}."
        )

    def _finished(self, run: str) -> dict[str, Any]:
        """What PostHog says of an export once it does not run anymore."""
        pause_s, until_s = 1.0, self._now_s() + _LONGEST_EXPORT_S
        while (state := self._ask("GET", f"{_EXPORTS}{run}/")).get("status") in _RUNNING:
            if self._now_s() > until_s:
                raise CannotRead(f"PostHog's export {run} has not ended for hours. Try again later.")
            self._sleep(pause_s)
            pause_s = min(1.5 * pause_s, 15.0)
        return state

    def _queried(self, query: Mapping[str, object]) -> bytes:
        return self._asked("POST", "query/", query)[0]

    def _chunks(self, run: str, parts: list[str]) -> Iterator[bytes]:
        for part in parts:
            with tempfile.TemporaryFile() as file:
                self._download(run, part, file)
                file.seek(0)
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk

    def _download(self, run: str, part: str, file: IO[bytes]) -> None:
        """A part as a whole. An address that expired, or a connection that broke, is asked for anew."""
        for pause_s in (*self._pauses, None):
            address = self._asked("GET", f"{_EXPORTS}{run}/download/{part}/")[1].get("location", "")
            if urlsplit(address).scheme != "https" and urlsplit(address).hostname not in {"127.0.0.1", "localhost"}:
                raise CannotRead("PostHog gave an address for a download that is not https.")
            file.seek(0)
            file.truncate()
            try:
                with _opener.open(Request(address), timeout=_TIMEOUT_S) as answer:  # noqa: S310  # checked above
                    expected, size = answer.headers.get("content-length"), 0
                    while chunk := answer.read(_CHUNK_BYTES):
                        size += file.write(chunk)
                if expected is None or int(expected) == size:
                    return
            except (HTTPError, URLError, HTTPException, ConnectionError, TimeoutError) as error:
                if isinstance(error, HTTPError):
                    error.close()
            if pause_s is not None:
                self._sleep(pause_s)
        raise CannotRead(f"A part of PostHog's export {run} cannot be downloaded. Run the command again.")

    def _ask(self, method: str, place: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        content, _ = self._asked(method, place, body)
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise CannotRead(f"{self._source} does not answer like PostHog. Check the host.") from None

    def _asked(
        self, method: str, place: str, body: Mapping[str, object] | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """The answer and its headers. Waits where PostHog is too busy or has trouble. Raises `CannotRead`."""
        content = None if body is None else msgspec.json.encode(body)
        request = Request(self._project + place, content, self._headers, method=method)  # noqa: S310  # base_url checks it
        for pause_s in (*self._pauses, None):
            try:
                with _opener.open(request, timeout=_TIMEOUT_S) as answer:
                    return answer.read(), {name.lower(): value for name, value in answer.headers.items()}
            except HTTPError as refused:
                headers = {name.lower(): value for name, value in refused.headers.items()}
                text = refused.read()
                refused.close()
                if refused.code in {301, 302, 303, 307, 308} and "/download/" in place:
                    return text, headers
                if refused.code == 404 and place == _EXPORTS:
                    raise _Missing from None
                if pause_s is None or (refused.code != 429 and refused.code < 500):
                    raise ExportRefused(self._why(refused.code, text), refused.code) from None
                self._sleep(max(pause_s, _seconds(headers.get("retry-after"))))
            except (URLError, HTTPException, ConnectionError, TimeoutError):
                # An export that was asked for may have begun, and costs its rows: it is not asked for again.
                if pause_s is None or place == _EXPORTS:
                    raise CannotRead(f"{self._source} cannot be reached. Check the host and the network.") from None
                self._sleep(pause_s)
        raise AssertionError  # the last pause is None

    def _why(self, status: int, body: bytes) -> str:
        match status:
            case 401:
                return f"PostHog does not know this personal API key. Create one with the scopes {SCOPES}."
            case 403:
                return f"The personal API key needs the scopes {SCOPES}, or {posthog_query.SCOPE} without exports."
            case 404:
                return f"{self._source} has no such project, or your key has no access to it."
            case 429:
                return "PostHog is busy with other exports of this project. Try again later."
            case _ if status >= 500:
                return f"PostHog has a problem (HTTP {status}). Try again later."
            case _:
                return f"PostHog rejected the request (HTTP {status}): {_line(body.decode(errors='replace'))}"


class ExportRefused(CannotRead):
    """PostHog answered that it will not."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class _Missing(Exception):
    """There is no API for exports, or no project."""


class _NoRedirect(HTTPRedirectHandler):
    """The key must not go to another address."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401  # as its base class
        return None


_opener = build_opener(_NoRedirect)


def _seconds(text: str | None) -> float:
    return min(float(text), 300.0) if text and text.isdecimal() else 0.0


def _line(text: object) -> str:
    """One printable line of somebody else's text."""
    return "".join(each for each in " ".join(str(text).split()) if each.isprintable())[:300]
