"""The HTTP API's tokens, in `api_tokens.json` in the data directory: names, roles and hashes.

A token has 256 random bits, so a plain hash keeps it secret. The file is read each time: it has a few hundred bytes,
and a command may have changed it. Knows nothing about HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from hogline.store.base import NameTaken, Unusable
from hogline.store.datadir.private_files import write_whole, writing
from hogline.store.datadir.roles import Role


class ApiToken(Struct, frozen=True, omit_defaults=True):
    name: str
    made_ms: int
    sha256: str
    """The token's hash, in hexadecimal."""
    role: Role = "admin"
    """Tokens without a role are from the time when every token could do everything."""
    expires_ms: int = 0
    """0: never."""
    used_ms: int = 0
    """The last time, to within some minutes; 0: never."""

    def __repr__(self) -> str:
        return f"ApiToken(name={self.name!r}, role={self.role!r})"


class ApiTokens:
    """Every method raises `Unusable` if the file cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "api_tokens.json"

    def all(self) -> list[ApiToken]:
        """Oldest first."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[ApiToken])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            raise Unusable(
                "Cannot read api_tokens.json in the data directory. Delete it and create new tokens."
            ) from None

    def make(self, name: str, role: Role, now_ms: int, expires_ms: int = 0) -> str:
        """Create a token; this is the only time it is returned. Raises `NameTaken`."""
        with writing:
            tokens = self.all()
            if any(token.name == name for token in tokens):
                raise NameTaken(name)
            made = "hogapi_" + secrets.token_urlsafe(32)
            self._write([*tokens, ApiToken(name, now_ms, _hash(made), role, expires_ms)])
            return made

    def remove(self, name: str) -> bool:
        """Revoke the token with this name; False if there is none."""
        with writing:
            tokens = self.all()
            left = [token for token in tokens if token.name != name]
            if len(left) == len(tokens):
                return False
            self._write(left)
            return True

    def find(self, token: str) -> ApiToken | None:
        """What is known about a token; None: unknown. The caller checks whether it has expired."""
        found, digest = None, _hash(token)
        for known in self.all():
            if hmac.compare_digest(known.sha256, digest):
                found = known
        return found

    def used(self, name: str, now_ms: int) -> None:
        """Just now."""
        with writing:
            self._write([structs.replace(one, used_ms=now_ms) if one.name == name else one for one in self.all()])

    def _write(self, tokens: list[ApiToken]) -> None:
        try:
            write_whole(self._file, msgspec.json.format(msgspec.json.encode(tokens)))
        except OSError as error:
            raise Unusable(f"api_tokens.json in the data directory cannot be written ({error.strerror}).") from None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
