"""The console's static files, in memory, each under an address that changes with its content.

Only what was there at the start can be asked for, so no path leads anywhere else. Knows nothing of pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    content_type: str


class Assets:
    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, _File] = {}
        self._urls: dict[str, str] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix in _TYPES:
                name = path.relative_to(folder).as_posix()
                content = path.read_bytes()
                url = f"/static/{hashlib.sha256(content).hexdigest()[:12]}/{name}"
                self._urls[name] = url
                self._files[url] = _File(content, _TYPES[path.suffix])

    def url(self, name: str) -> str | None:
        """Where the file `name`, such as `console.css` or `vendor/uplot.js`, is; None: it was not built."""
        return self._urls.get(name)

    @property
    def urls(self) -> Mapping[str, str]:
        return self._urls

    def response(self, url: str) -> Response | None:
        file = self._files.get(url)
        if file is None:
            return None
        return Response(file.content, media_type=file.content_type, headers={"cache-control": FOR_EVER})
