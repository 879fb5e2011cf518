"""Whether a token is one of ours, in a time that tells nothing about them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


class TokenCheck:
    """Called with what a sender showed: whether it is one of the tokens. Keeps digests only."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._digests: list[bytes] = []
        self.replace(tokens)

    def replace(self, tokens: Iterable[str]) -> None:
        """From now on these are the known ones."""
        self._digests = [_digest(token) for token in tokens]

    def __call__(self, shown: str) -> bool:
        digest = _digest(shown)
        known = False
        for ours in self._digests:
            # All are compared: how long it takes does not tell which one it was.
            known |= hmac.compare_digest(ours, digest)
        return known

    def __repr__(self) -> str:
        return f"TokenCheck({len(self._digests)} tokens)"


def _digest(token: str) -> bytes:
    # Digests have one length, so that comparing them does not tell the length of a token.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
