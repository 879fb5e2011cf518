"""The contract for forgetting and suppressing people; part of `store.base.State`. Of suppressed people only hashes are
kept.

`tests/conformance` tests what this promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

File: TypeAlias = Literal["state", "journal"]


class Suppressed:
    """The suppressed ids and emails of the project. Call it with an id or an email to see whether it is suppressed.

    It is false if nobody is suppressed, so the check costs nothing then. It is always up to date.
    """

    def __init__(self, fingerprint: Callable[[str], bytes] = lambda _: b"", hashes: Iterable[bytes] = ()) -> None:
        """`fingerprint`: the keyed hash of a text."""
        self._fingerprint = fingerprint
        self._hashes = set(hashes)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def __call__(self, text: str) -> bool:
        """Compares without surrounding blanks, both as written and in lowercase."""
        text = text.strip()
        small = text.lower()
        return self._fingerprint(text) in self._hashes or (small != text and self._fingerprint(small) in self._hashes)

    def hashes(self, texts: Iterable[str]) -> set[bytes]:
        """What is stored about these ids and emails."""
        stripped = {text.strip() for text in texts}
        return {self._fingerprint(text) for text in stripped | {text.lower() for text in stripped}}

    def replace(self, hashes: Iterable[bytes]) -> None:
        """Use these hashes from now on."""
        self._hashes = set(hashes)

    def __repr__(self) -> str:
        return f"Suppressed({len(self._hashes)} hashes)"


NOBODY = Suppressed()


class Forgotten(Struct, frozen=True, kw_only=True):
    """What was removed for one connection."""

    held: int = 0
    failures: int = 0


class Expired(NamedTuple):
    """People who were removed because they were inactive for too long."""

    ids: list[str]
    next: str | None
    """Continue after this id; None: everyone was looked at."""


class ToClean(Struct, frozen=True):
    """Something was deleted from a file, and its bytes have to be overwritten."""

    number: int
    file: File


class Forgets(Protocol):
    """Every write is atomic, and on disk when the call returns; see `store.base`."""

    @property
    def suppressed(self) -> Suppressed:
        """Who is suppressed. Always the same object, kept up to date."""
        ...

    async def suppress(self, texts: Sequence[str]) -> None:
        """Suppress one person, given their ids and emails. Only keyed hashes are stored."""
        ...

    async def unsuppress(self, text: str) -> bool:
        """Stop suppressing the person with this id or email: everything that was suppressed together with it. False: it
        is not suppressed."""
        ...

    async def forget(
        self,
        ids: Sequence[str],
        waiting: Mapping[int, int],
        *,
        emails: Mapping[int, Sequence[str]],
        suppress: Sequence[str] = (),
    ) -> dict[int, Forgotten]:
        """Remove everything about these ids (together one person): what is known, what the connections in `waiting`
        told about them, the ledger rows of `emails`, held events, failures, and other people's records that name them.
        Returns what was removed, by connection.

        Their held events and failures count as filtered (`forgotten`), and so do as many more events of each connection
        as `waiting` says: those still pending in the journal. `suppress`: as the method does, in the same transaction.

        From then on, `forgetting` returns these ids until `end_forgetting`, and both files are `to_clean`.

        """
        ...

    async def with_email(self, email: str, *, ever: bool = False) -> list[str]:
        """Ids of people with this email, ignoring case. `ever`: also those who had it earlier, as far as a connection
        remembers.
        """
        ...

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        """Look at the next `most` ids after `after`, and remove the people who are not a customer of any connection,
        have no held events, and for whose ids no event arrived since `before_day`. All ids of a person go together. The
        caller makes sure that none of their events is in the journal. Days are counted from 1970. An id without a day
        gets `today`.
        """
        ...

    async def expire_failures(self, connection: int, *, before_ms: int, most: int) -> int:
        """Remove at most `most` failures from before that time, the oldest first, and count their events as filtered
        (`failure_expired`). Those that are being retried stay. Returns how many.
        """
        ...

    async def forgetting(self) -> list[str]:
        """The ids whose events still have to be removed from the journal."""
        ...

    async def end_forgetting(self) -> None:
        """Their events have left the journal: `forgetting` is empty again."""
        ...

    async def to_clean(self) -> list[ToClean]:
        """What has to be cleaned, oldest first."""
        ...

    async def cleaned(self, up_to: int) -> None:
        """Everything up to this number is clean: remove it from `to_clean`."""
        ...

    async def clean(self) -> bool:
        """As `Journal.clean`, for the state's files."""
        ...
