r"""Texts as PostgreSQL can keep them: it takes no NUL and no lone surrogates, which ids may contain.

Those are written as `\0` and `\ud800`, and a backslash as two. The order of texts stays, and so does what is part of
what. It happens to every text on its way in and out.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg import adapters
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap
from psycopg.types.string import StrBinaryDumper, StrDumper, TextBinaryLoader

_ODD = re.compile("[\\\\\0\ud800-\udfff]")
_WRITTEN = re.compile(r"\\(\\|0|u[0-9a-f]{4})")


def written(text: str) -> str:
    """A text as it is kept."""
    return _ODD.sub(_write, text) if _ODD.search(text) else text


def _write(found: re.Match[str]) -> str:
    character = found[0]
    return {"\\": r"\\", "\0": r"\0"}.get(character) or f"\\u{ord(character):04x}"


def meant(text: str) -> str:
    """What `written` made this of."""
    return _WRITTEN.sub(_mean, text) if "\\" in text else text


def _mean(found: re.Match[str]) -> str:
    sign = found[1]
    return {"\\": "\\", "0": "\0"}.get(sign) or chr(int(sign[1:], 16))


class _Text(StrDumper):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(written(obj))


class _TextInBinary(StrBinaryDumper):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(written(obj))


class _TextOut(TextBinaryLoader):
    def load(self, data: Buffer) -> Any:  # noqa: ANN401  # as psycopg declares it
        return meant(str(super().load(data)))


def own_adapters() -> AdaptersMap:
    """How values go in and out. All results are asked for in binary."""
    made = AdaptersMap(adapters)
    made.register_dumper(str, _Text)
    made.register_dumper(str, _TextInBinary)
    made.register_loader("text", _TextOut)
    return made
