"""An emulator of PostHog's API for hog functions and file downloads: what Hogline asks of it, and no more.

Written from PostHog's `products/cdp/backend/api/hog_function.py`: create, list, change, invoke, logs, metrics. It keeps
functions in memory and really sends what an invocation sends. File downloads are written from its
`products/batch_exports/backend/presentation/views/file_download.py`. It is not PostHog: no filters, no templates, no retries.
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import msgspec

KEY = "phx_emulated_personal_key"
READ_ONLY_KEY = "phx_may_only_read"
PROJECT = "42"


class PostHog:
    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = {KEY, READ_ONLY_KEY}
        self.functions: dict[str, dict[str, Any]] = {}
        self.loses_invocations = False
        """Says that the event went out, and sends nothing: as if another server answered at that address."""

        self.events: list[dict[str, Any]] = []
        """What is exported, by `_inserted_at`, or by `timestamp` where there is none."""
        self.persons: list[dict[str, Any]] = []
        """What an export of people has, whatever its interval."""
        self.part_events = 1_000
        self.has_exports = True
        self.polls = 1
        """How often an export says that it still runs."""
        self.queries: list[str] = []
        self.troubles: list[int] = []
        """The statuses that the next requests for exports get, until there are no more; of downloads, 403 is an
        address that expired."""
        self.downloads: list[int] = []
        """The same, of downloads only."""
        self.ends: list[str] = []
        """How the next exports end."""
        self.exports: list[dict[str, Any]] = []
        self._parts: dict[str, bytes] = {}

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> tuple[int, object]:  # noqa: PLR0911  # a table
        if path.startswith("/signed/"):
            assert not key, "PostHog's key went to the bucket"
            trouble = self.downloads or self.troubles
            return (trouble.pop(0), {}) if trouble else (200, self._parts[path])
        if key not in self.keys:
            return 401, {"type": "authentication_error", "detail": "Invalid personal API key."}
        if path == "/api/projects/42/query/":
            return (self.troubles.pop(0), {}) if self.troubles else self._queried(body["query"]["query"])
        if download := re.fullmatch(
            r"/api/projects/42/file_download_batch_exports/(?:(\d+)/)?(download/(\d+)/)?", path
        ):
            return self._exported(download[1], download[3], body)
        found = re.fullmatch(
            r"/api/projects/(\d+)/hog_functions/(?:([\w-]+)/)?(invocations/|logs/|metrics/totals/)?", path
        )
        if found is None or found[1] != PROJECT:
            return 404, {"detail": "Not found."}
        if method != "GET" and key == READ_ONLY_KEY:
            return 403, {"detail": "API key missing required scope 'hog_function:write'"}
        return self._function(method, found[2], found[3], body)

    def _function(self, method: str, name: str | None, part: str | None, body: dict[str, Any]) -> tuple[int, object]:  # noqa: PLR0911  # a table
        if name is None and method == "GET":
            return 200, {"results": [each for each in self.functions.values() if not each.get("deleted")], "next": None}
        if name is None:
            made = {"id": f"fn-{len(self.functions) + 1}", "status": {"state": 1, "tokens": 10_000}, **body}
            self.functions[made["id"]] = made
            return 201, made
        function = self.functions.get(name)
        if function is None:
            return 404, {"detail": "Not found."}
        if part == "invocations/":
            return 200, self._invoked(body)
        if part == "logs/":
            return 200, {"results": [{"timestamp": "2026-11-25T10:00:00Z", "level": "ERROR", "message": "HTTP 503"}]}
        if part == "metrics/totals/":
            return 200, {"totals": {"succeeded": 1_200, "failed": 3}}
        if method == "PATCH":
            function.update(body)
        return 200, function

    def _exported(self, run: str | None, part: str | None, body: dict[str, Any]) -> tuple[int, object]:  # noqa: PLR0911  # a table
        if not self.has_exports:
            return 404, {"detail": "Not found."}
        if self.troubles and part is None:
            return self.troubles.pop(0), {"detail": "Too many concurrent file download batch exports for this team."}
        if run is None:
            return self._begun(body)
        export = self.exports[int(run)]
        if part is not None:
            return 302, f"{self.url}/signed/{run}/{part}"
        if export["polls"]:
            export["polls"] -= 1
            return 200, {"status": "Running"}
        if export["ends"] != "Completed":
            return 200, {"status": export["ends"], "error": "The export failed."}
        return 200, {"status": "Completed", "files": export["files"], "records_completed": export["count"]}

    def _queried(self, query: str) -> tuple[int, object]:
        """Just the one query that is asked: an interval, and where the page before ended."""
        self.queries.append(query)
        times = [
            datetime.fromisoformat(f"{text}+00:00")
            for text in re.findall(r"toDateTime64\('([^']+)', 6, 'UTC'\)", query)
        ]
        after = re.search(r"uuid > toUUID\('([^']+)'\)", query)
        limit = re.search(r"ORDER BY timestamp, uuid LIMIT (\d+)", query)
        assert limit is not None
        rows = sorted((datetime.fromisoformat(each["timestamp"]), each["uuid"], each) for each in self.events)
        found = [
            each
            for at, uuid, each in rows
            if times[0] <= at < times[1] and (after is None or (at, uuid) > (times[-1], after[1]))
            if "created_at" not in query or times[2] <= _arrived(each) < times[3]
        ]
        names = query.removeprefix("SELECT ").partition(" FROM")[0].split(", ")
        keys = [name.replace("person.properties", "person_properties") for name in names]
        return 200, {
            "columns": names,
            "results": [
                [msgspec.json.encode(each[key]).decode() if "properties" in key else each.get(key, "") for key in keys]
                for each in found[: int(limit[1])]
            ],
        }

    def _begun(self, body: dict[str, Any]) -> tuple[int, object]:
        start, end = (datetime.fromisoformat(body[f"data_interval_{name}"]) for name in ("start", "end"))
        if end - start > timedelta(days=7) or end > datetime.now(UTC) or body["model"] == "sessions":
            return 400, {"detail": "data interval range too big. Choose an interval of at most seven days."}
        assert body["file"]["format"] == "JSONLines"
        rows = [each for each in self.events if start <= _arrived(each) < end]
        if body["model"] == "persons":
            rows = self.persons
        run = str(len(self.exports))
        files: list[str] = []
        for number in range(0, len(rows), self.part_events):
            lines = [msgspec.json.encode(row) + b"\n" for row in rows[number : number + self.part_events]]
            files.append(str(len(files)))
            self._parts[f"/signed/{run}/{files[-1]}"] = b"".join(map(gzip.compress, lines))
        ends = self.ends.pop(0) if self.ends else "Completed"
        self.exports.append({"polls": self.polls, "files": files, "count": len(rows), "ends": ends, "body": body})
        return 202, {"id": run}

    def _invoked(self, body: dict[str, Any]) -> dict[str, object]:
        inputs, known = body["configuration"]["inputs"], body["globals"]
        assert body["mock_async_functions"] is False
        content = {key: known[value.strip("{}")] for key, value in inputs["body"]["value"].items()}
        sent = Request(
            inputs["url"]["value"],
            msgspec.json.encode(content),
            inputs["headers"]["value"],
            method=inputs["method"]["value"],
        )
        try:
            if not self.loses_invocations:
                urlopen(sent, timeout=3).close()
        except HTTPError as refused:
            return {"status": "error", "logs": [{"level": "error", "message": f"Error from webhook: {refused.code}"}]}
        except (URLError, OSError):
            return {"status": "error", "logs": [{"level": "error", "message": "HTTP fetch failed: ECONNREFUSED"}]}
        return {"status": "success", "logs": [{"level": "info", "message": "Function completed"}]}


def _arrived(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event.get("_inserted_at") or event["timestamp"])


@contextmanager
def emulated() -> Iterator[PostHog]:
    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = msgspec.json.decode(self.rfile.read(length) or b"{}")
            key = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, answer = posthog.answer(self.command, urlsplit(self.path).path, key, body)
            content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
            self.send_response(status)
            if status == 302:
                self.send_header("location", str(answer))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _handle  # noqa: N815  # so the base class asks for them

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    posthog = PostHog(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield posthog
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
