"""Where settings come from: the environment variable `HOGLINE_<NAME>`, or the file that `HOGLINE_<NAME>_FILE` names,
which is for secrets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "HOGLINE_"


class InvalidSettings(Exception):
    """A setting is invalid; the text names it and says what to do."""


class FromFiles(PydanticBaseSettingsSource):
    """`HOGLINE_<NAME>_FILE`: the value is the content of that file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  # asked for by pydantic
        return from_file(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: from_file(name) for name in self.settings_cls.model_fields}
        return {name: value for name, value in values.items() if value is not None}


def from_file(name: str) -> str | None:
    """The content of the file that `HOGLINE_<NAME>_FILE` names, without the final newline; None if not set.

    Raises `InvalidSettings`.
    """
    variable = f"{PREFIX}{name.upper()}_FILE"
    path = os.environ.get(variable)
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError):
        raise InvalidSettings(f"{variable} names a file that cannot be read.") from None


def from_environment(name: str) -> str | None:
    """`HOGLINE_<NAME>`, or the file that `HOGLINE_<NAME>_FILE` names. For values that are not
    settings of the process, such as a connection's credentials.
    """
    return os.environ.get(PREFIX + name.upper()) or from_file(name)
