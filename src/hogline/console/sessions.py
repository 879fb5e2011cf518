"""Who is signed in: a signed cookie with a session's id, its account, when it began and when it was last used.

A session ends by signing out, by another password or the end of its account, after twelve hours in which nothing was
asked, and after seven days in any case. Knows no pages.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from itsdangerous import BadData, TimestampSigner
from itsdangerous.url_safe import URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hogline.store.base import Unusable
from hogline.store.datadir.accounts import FIRST, Account, ConsoleAccounts

IDLE_S = 12 * 3_600
LONGEST_S = 7 * 24 * 3_600
RENEW_AFTER_S = 300
"""A cookie is renewed when it is older, so a session in use does not end."""
KNOWN_S = 180 * 24 * 3_600
"""How long a browser is known by whom it signed in."""
SAYING_S = 60
LONGEST_SAYING = 500


@dataclass(frozen=True)
class Session:
    id: str
    account: Account
    begun_s: int
    used_s: int
    """When its cookie was written, seconds since 1970."""
    by_proxy: bool
    """It holds only as long as the proxy says the same with every request."""


class Sessions:
    def __init__(
        self, access: ConsoleAccounts, *, password: str | None, https: bool, now_s: Callable[[], float]
    ) -> None:
        """`password`: of the first account, instead of the one that `access` keeps. `https`: browsers reach the
        console by it alone.
        """
        self._access = access
        self._password = password
        self._https = https
        self._now_s = now_s

    async def is_password(self, name: str, password: str) -> bool:
        """Takes a tenth of a second, whether or not there is such an account."""
        if self._password is not None and name == FIRST:
            return hmac.compare_digest(_digest(password), _digest(self._password))
        return await asyncio.to_thread(self._access.is_password, password, name)

    def account(self, name: str) -> Account | None:
        return self._access.find(name)

    def start(self, response: Response, account: Account, *, by_proxy: bool = False) -> None:
        session = Session(secrets.token_urlsafe(16), account, int(self._now_s()), 0, by_proxy)
        self._write(response, session)

    def fresh(self, account: Account) -> Session:
        """The session of somebody whom the proxy named just now, for the request that it came with."""
        return Session("", account, int(self._now_s()), int(self._now_s()), by_proxy=True)

    async def note_sign_in(self, account: Account, now_ms: int) -> None:
        with suppress(Unusable):  # a disk that takes nothing keeps nobody out
            await asyncio.to_thread(self._access.signed_in, account.name, now_ms)

    def find(self, request: HTTPConnection) -> Session | None:
        """The session of this request; None: the user has to sign in."""
        cookie = request.cookies.get(self._cookie, "")
        try:
            (id_, name, stamp, begun_s, by_proxy), at = self._signed("session").loads(
                cookie, max_age=IDLE_S, return_timestamp=True
            )
        except (BadData, ValueError, TypeError):
            return None
        account = self._access.find(name)
        if account is None or stamp != self._stamp(account) or self._now_s() - begun_s > LONGEST_S:
            return None
        return None if self._access.has_ended(id_) else Session(id_, account, begun_s, int(at.timestamp()), by_proxy)

    def renew(self, response: Response, session: Session) -> None:
        """It was used just now."""
        if self._now_s() - session.used_s > RENEW_AFTER_S:
            self._write(response, session)

    def end(self, response: Response, session: Session) -> None:
        self._access.end(session.id, now_s=int(self._now_s()), remember_s=IDLE_S)
        response.delete_cookie(self._cookie)

    def remember_browser(self, response: Response, account: Account) -> None:
        """From now on this browser is known by whom it signed in."""
        known = self._signed("browser").dumps([secrets.token_urlsafe(9), account.name, self._stamp(account)])
        self._set(response, f"{self._cookie}_known", known if isinstance(known, str) else known.decode(), KNOWN_S)

    def known_browser(self, request: HTTPConnection, name: str) -> str:
        """The id of a browser that signed this account in before; empty: it did not."""
        try:
            id_, of, stamp = self._signed("browser").loads(request.cookies.get(f"{self._cookie}_known", ""), KNOWN_S)
        except (BadData, ValueError, TypeError):
            return ""
        account = self._access.find(name)
        return str(id_) if account is not None and (of, stamp) == (account.name, self._stamp(account)) else ""

    def say(self, response: Response, sentence: str) -> None:
        """A sentence for the page that comes next."""
        said = self._signed("said").dumps(sentence[:LONGEST_SAYING])
        self._set(response, "hogline_said", said if isinstance(said, str) else said.decode(), SAYING_S)

    def said(self, request: HTTPConnection) -> str:
        """What was said to this page, or nothing."""
        try:
            return str(self._signed("said").loads(request.cookies.get("hogline_said", ""), max_age=SAYING_S))
        except BadData:
            return ""

    @property
    def _cookie(self) -> str:
        # Cookies know no ports: two Hoglines on one machine must not sign each other's users out.
        return f"hogline_{_digest(self._access.key)[:8]}"

    def _write(self, response: Response, session: Session) -> None:
        account = session.account
        kept = [session.id, account.name, self._stamp(account), session.begun_s, session.by_proxy]
        signed = self._signed("session").dumps(kept)
        self._set(response, self._cookie, signed if isinstance(signed, str) else signed.decode(), IDLE_S)

    def _set(self, response: Response, name: str, value: str, max_age_s: int) -> None:
        response.set_cookie(name, value, max_age=max_age_s, secure=self._https, httponly=True, samesite="lax")

    def _stamp(self, account: Account) -> str:
        """Another with every password."""
        of_settings = self._password if account.name == FIRST and self._password is not None else ""
        return _digest(f"{account.stamp} {of_settings}")[:16]

    def _signed(self, salt: str) -> URLSafeTimedSerializer:
        signer = type("_Signer", (_Signer,), {"now_s": staticmethod(self._now_s)})
        return URLSafeTimedSerializer(
            self._access.key, salt=salt, signer=signer, signer_kwargs={"digest_method": hashlib.sha256}
        )


class _Signer(TimestampSigner):
    """With a clock that can be moved."""

    now_s: Callable[[], float]

    def get_timestamp(self) -> int:
        return int(self.now_s())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
