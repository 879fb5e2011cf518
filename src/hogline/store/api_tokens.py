"""Who may use the HTTP API: `api_tokens.json` in the data directory, with the names of tokens and their hashes.

A token has 256 bits of chance in it, so a plain hash keeps it secret. The file is read anew each time: a few hundred
bytes, which a command may have changed meanwhile. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from hogline.store.base import NameTaken, Unusable


class ApiToken(Struct, frozen=True):
    name: str
    made_ms: int
    sha256: str
    """Of the token, in hexadecimal digits."""


class ApiTokens:
    """Every method raises `Unusable` if the file cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "api_tokens.json"

    def all(self) -> list[ApiToken]:
        """In the order in which they were made."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[ApiToken])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            raise Unusable(
                "api_tokens.json in the data directory cannot be read. Remove it, and make new tokens."
            ) from None

    def make(self, name: str, now_ms: int) -> str:
        """A new token, told this once. Raises `NameTaken`."""
        tokens = self.all()
        if any(token.name == name for token in tokens):
            raise NameTaken(name)
        made = "hogapi_" + secrets.token_urlsafe(32)
        self._write([*tokens, ApiToken(name, now_ms, _hash(made))])
        return made

    def remove(self, name: str) -> bool:
        """From now on the token of this name is not known; False if there is none."""
        tokens = self.all()
        left = [token for token in tokens if token.name != name]
        if len(left) == len(tokens):
            return False
        self._write(left)
        return True

    def name_of(self, token: str) -> str | None:
        """The name of the token; None if it is not known."""
        found = None
        for known in self.all():
            if hmac.compare_digest(known.sha256, _hash(token)):
                found = known.name
        return found

    def _write(self, tokens: list[ApiToken]) -> None:
        """So that the file is there whole, or as it was."""
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(msgspec.json.format(msgspec.json.encode(tokens)))
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self._file)
        except OSError as error:
            raise Unusable(f"api_tokens.json in the data directory cannot be written ({error.strerror}).") from None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
