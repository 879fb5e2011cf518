"""Secrets on disk: credentials and tokens are encrypted with a key that is next to the database, not in it.

A copy of the database alone (a backup, a support bundle) reveals no credentials.
"""

from __future__ import annotations

import hashlib

from cryptography.fernet import Fernet, InvalidToken

from hogline.store.base import Unusable


class Vault:
    """Encrypts and decrypts with one key: 32 bytes as URL-safe base64, as `Vault.new_key` makes them."""

    def __init__(self, key: str) -> None:
        """Raises `Unusable` if the key is invalid."""
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise Unusable(
                "The key for secrets is invalid: not 32 bytes as URL-safe base64. Restore secret.key in the data "
                "directory from your backup, or set HOGLINE_SECRET_KEY."
            ) from None
        self._hash_key = hashlib.blake2b(key.encode(), person=b"hogline").digest()

    def fingerprint(self, text: str) -> bytes:
        """A keyed hash. Without the key, nobody can tell whose it is."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._hash_key, digest_size=16).digest()

    @staticmethod
    def new_key() -> str:
        return Fernet.generate_key().decode("ascii")

    def encrypt(self, secret: bytes) -> bytes:
        return self._fernet.encrypt(secret)

    def decrypt(self, encrypted: bytes) -> bytes:
        """Raises `Unusable` if it was encrypted with a different key."""
        try:
            return self._fernet.decrypt(encrypted)
        except InvalidToken:
            raise Unusable(
                "The stored credentials were encrypted with a different key. Restore secret.key in the data directory "
                "from your backup, or set HOGLINE_SECRET_KEY."
            ) from None
