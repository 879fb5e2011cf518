"""What a state must do to forget people and to keep them away, and what is known of whoever is kept away: hashes.

Independent of how people are stored. `tests/conformance` says in tests what this promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

File: TypeAlias = Literal["state", "journal"]


class Suppressed:
    """Whose ids and emails are suppressed in this project: called with one of them, it says so.

    False as a whole if nobody is, so that asking costs nothing then. It always tells how things are now.
    """

    def __init__(self, fingerprint: Callable[[str], bytes] = lambda _: b"", hashes: Iterable[bytes] = ()) -> None:
        """`fingerprint`: the keyed hash of a text."""
        self._fingerprint = fingerprint
        self._hashes = set(hashes)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def __call__(self, text: str) -> bool:
        """Emails and ids are compared without blanks around them, and as written or in small letters."""
        text = text.strip()
        small = text.lower()
        return self._fingerprint(text) in self._hashes or (small != text and self._fingerprint(small) in self._hashes)

    def hashes(self, texts: Iterable[str]) -> set[bytes]:
        """All that is kept of these."""
        stripped = {text.strip() for text in texts}
        return {self._fingerprint(text) for text in stripped | {text.lower() for text in stripped}}

    def replace(self, hashes: Iterable[bytes]) -> None:
        """From now on it is these."""
        self._hashes = set(hashes)

    def __repr__(self) -> str:
        return f"Suppressed({len(self._hashes)} hashes)"


NOBODY = Suppressed()


class Forgotten(Struct, frozen=True, kw_only=True):
    """What was removed at one connection."""

    held: int = 0
    failures: int = 0


class Expired(NamedTuple):
    """Who was removed because they were not seen for long."""

    ids: list[str]
    next: str | None
    """Behind which id to go on; None: that was everybody."""


class ToClean(Struct, frozen=True):
    """Something was deleted in a file, and its bytes are still to be overwritten."""

    number: int
    file: File


class Forgets(Protocol):
    @property
    def suppressed(self) -> Suppressed:
        """Who is suppressed, at any time."""
        ...

    async def suppress(self, texts: Sequence[str]) -> None:
        """Suppress one person: of these, their ids and emails, a keyed hash is kept."""
        ...

    async def unsuppress(self, text: str) -> bool:
        """Take back whoever has this id or email, with all that was suppressed together with it. False: nobody has."""
        ...

    async def forget(
        self,
        ids: Sequence[str],
        waiting: Mapping[int, int],
        *,
        emails: Mapping[int, Sequence[str]],
        suppress: Sequence[str] = (),
    ) -> dict[int, Forgotten]:
        """Remove people with all their ids, their held events and failures, and whatever else names them, at the
        connections in `waiting`, with these rows of their ledgers. Their events, and as many more of each connection as
        `waiting` says, which are to be removed from the journal, count as filtered (`forgotten`). `suppress`: as
        `suppress` does, in the same transaction.

        From then on, until `end_forgetting`, `forgetting` says whose events are to leave the journal; and both files
        are `to_clean`.
        """
        ...

    async def with_email(self, email: str, *, ever: bool = False) -> list[str]:
        """Who has this email, in capital letters or small ones; `ever`: or had it once, as far as some connection
        remembers that.
        """
        ...

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        """Of the next `most` ids behind one, remove people who are no customer of any connection, have no held events,
        and of whose ids no event was received since a day; with all of these. Nothing of theirs may be in the journal.
        Days are counted from 1970. Whoever nothing is known of in this respect counts as seen today.
        """
        ...

    async def expire_failures(self, connection: int, *, before_ms: int, most: int) -> int:
        """Remove failures that were made before that time, at most so many; their events count as filtered
        (`failure_expired`). Those that are being retried stay. Returns how many were removed.
        """
        ...

    async def forgetting(self) -> list[str]:
        """Whose events are still to be removed from the journal."""
        ...

    async def end_forgetting(self) -> None: ...

    async def to_clean(self) -> list[ToClean]:
        """Files that have to be cleaned, in the order in which that became necessary."""
        ...

    async def cleaned(self, up_to: int) -> None:
        """What had to be cleaned up to this number is."""
        ...

    async def clean(self) -> bool:
        """Overwrite what was deleted in the state's own files so far, in small steps between other writes. False:
        another program that reads them stands in the way, and has to be waited for. Raises `Unwritable`.
        """
        ...
