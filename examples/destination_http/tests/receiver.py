"""The other side: a server that proves each signature and keeps every event, as a user's would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

SECRET = bytes(range(32))
TYPED = f"whsec_{base64.b64encode(SECRET).decode()}"


class Receiver:
    def __init__(self) -> None:
        self.url = ""
        self.lock = Lock()
        self.events: list[dict[str, Any]] = []
        """Each once, in the order in which they came first."""
        self.seen: set[str] = set()
        self.requests = 0
        self.forged = 0
        self.largest = 0
        self.crash: Callable[[], None] | None = None
        """Called once, in the middle of a request that is accepted, as soon as there are `crash_at` events."""
        self.crash_at = 0

    def take(self, headers: Any, body: bytes) -> tuple[int, dict[str, str], object]:
        """Every 7th request is told to come again."""
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        right = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        with self.lock:
            self.requests += 1
            if not hmac.compare_digest(right, headers["webhook-signature"]):
                self.forged += 1
                return 401, {}, {}
            if self.requests % 7 == 0:
                return 503, {"Retry-After": "0"}, {}
            events = json.loads(body)["events"]
            self.largest = max(self.largest, len(events))
            refused = []
            for index, event in enumerate(events):
                if event["event"] == "refuse me":
                    refused.append({"index": index, "error": "unknown_event"})
                elif event["uuid"] not in self.seen:
                    self.seen.add(event["uuid"])
                    self.events.append(event)
            if self.crash is not None and len(self.events) >= self.crash_at:
                crash, self.crash = self.crash, None
                crash()
            return 200, {}, {"refused": refused} if refused else {}


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers, said = receiver.take(self.headers, body)
            text = json.dumps(said).encode()
            with suppress(OSError):  # the sender may be gone
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/events"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
