"""The SQL of a module, from the file beside it with the same name: statements, each under a line `-- name: …`."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def queries(file: str) -> dict[str, bytes]:
    """By name. `schema/` has what creates the tables; these are the statements that use them."""
    text = (files("hogline.store.postgresql") / f"{file}.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    return {name: sql.strip().encode() for name, sql in zip(parts[::2], parts[1::2], strict=True)}
