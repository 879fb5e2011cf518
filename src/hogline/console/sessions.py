"""Who is signed in: a signed cookie with a session's id and when it was last used.

A session ends by signing out, by a new password, and after twelve hours in which nothing was asked. Knows no pages.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadSignature, TimestampSigner
from itsdangerous.url_safe import URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hogline.store.access import Access

IDLE_S = 12 * 3_600
RENEW_AFTER_S = 300
"""A cookie is written anew when it is older: often enough that a session in use does not end."""
SAYING_S = 60
LONGEST_SAYING = 500


@dataclass(frozen=True)
class Session:
    id: str
    used_s: int
    """When its cookie was written, seconds since 1970."""


class Sessions:
    def __init__(self, access: Access, *, password: str | None, https: bool, now_s: Callable[[], float]) -> None:
        """`password` goes before the one that `access` keeps. `https`: browsers reach the console by it alone."""
        self._access = access
        self._password = password
        self._https = https
        self._now_s = now_s
        self._one_at_a_time = asyncio.Lock()

    async def is_password(self, password: str) -> bool:
        if self._password is not None:
            return hmac.compare_digest(_digest(password), _digest(self._password))
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._access.is_password, password)

    def start(self, response: Response) -> None:
        self._write(response, secrets.token_urlsafe(16))

    def find(self, request: HTTPConnection) -> Session | None:
        """The session of whoever asks; None: they have to sign in."""
        cookie = request.cookies.get(self._cookie, "")
        try:
            found, at = self._signer().unsign(cookie, max_age=IDLE_S, return_timestamp=True)
        except BadSignature:
            return None
        session = Session(found.decode(), int(at.timestamp()))
        return None if self._access.has_ended(session.id) else session

    def renew(self, response: Response, session: Session) -> None:
        """It was used just now."""
        if self._now_s() - session.used_s > RENEW_AFTER_S:
            self._write(response, session.id)

    def end(self, response: Response, session: Session) -> None:
        self._access.end(session.id, now_s=int(self._now_s()), remember_s=IDLE_S)
        response.delete_cookie(self._cookie)

    def say(self, response: Response, sentence: str) -> None:
        """A sentence for the page that comes next."""
        self._set(response, "hogline_said", self._sayings().dumps(sentence[:LONGEST_SAYING]), SAYING_S)

    def said(self, request: HTTPConnection) -> str:
        """What was said to this page, or nothing."""
        try:
            sentence: str = self._sayings().loads(request.cookies.get("hogline_said", ""), max_age=SAYING_S)
        except BadSignature:
            return ""
        return sentence

    @property
    def _cookie(self) -> str:
        # Cookies know no ports: two Hoglines on one machine must not sign each other's users out.
        return f"hogline_{_digest(self._key())[:4].hex()}"

    def _write(self, response: Response, session: str) -> None:
        self._set(response, self._cookie, self._signer().sign(session).decode(), IDLE_S)

    def _set(self, response: Response, name: str, value: str, max_age_s: int) -> None:
        response.set_cookie(name, value, max_age=max_age_s, secure=self._https, httponly=True, samesite="lax")

    def _key(self) -> str:
        """Of signatures: another password makes another key."""
        return self._access.key + (_digest(self._password).hex() if self._password else "")

    def _signer(self) -> TimestampSigner:
        return _Signer(self._key(), self._now_s)

    def _sayings(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._key(), salt="said")


class _Signer(TimestampSigner):
    """With a clock that can be moved."""

    def __init__(self, key: str, now_s: Callable[[], float]) -> None:
        super().__init__(key, salt="session", digest_method=hashlib.sha256)
        self._now_s = now_s

    def get_timestamp(self) -> int:
        return int(self._now_s())


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
