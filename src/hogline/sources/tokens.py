"""Whether a token is one of ours and what it opens, in a time that tells nothing about it.

The private token opens everything. The public one is in pages and apps, where anyone can read it: it opens the
capture routes, and what comes with it is marked (`Event.public`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable

from hogline.store.base import TokenKind


class TokenCheck:
    """Knows the project's tokens. Its text form shows none of them."""

    def __init__(self, private: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._digests: list[tuple[bytes, TokenKind]] = []
        self.occurs: Callable[[bytes], bool]
        """Whether one of the tokens stands anywhere in a text that is not decoded yet. A text in which none does need
        not be decoded: no token will be found in it.
        """
        self.replace(private, public)

    def replace(self, private: Iterable[str], public: Iterable[str] = ()) -> None:
        """From now on these are the known ones."""
        tokens: list[tuple[str, TokenKind]] = [(token, "private") for token in private]
        tokens += [(token, "public") for token in public]
        self._digests = [(_digest(token), kind) for token, kind in tokens]
        self.occurs = _finder([token.encode() for token, _ in tokens])

    def kind(self, shown: str) -> TokenKind | None:
        """What kind of token a sender showed; None: it is none of ours."""
        digest = _digest(shown)
        found: TokenKind | None = None
        for ours, kind in self._digests:
            # All are compared: how long it takes does not tell which one it was.
            if hmac.compare_digest(ours, digest):
                found = kind
        return found

    def __repr__(self) -> str:
        return f"TokenCheck({len(self._digests)} tokens)"


def _finder(tokens: list[bytes]) -> Callable[[bytes], bool]:
    # In a function, not an attribute: no dump of an object shows a token.
    return lambda text: any(token in text for token in tokens)


def _digest(token: str) -> bytes:
    # Digests have one length, so that comparing them does not tell the length of a token.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
