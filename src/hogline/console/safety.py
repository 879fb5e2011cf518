"""What stands before every page: whose requests are taken, and the headers that every answer carries.

A request must be for one of our names (a page elsewhere could let its own name point here), and one that changes
something must come from our own pages: browsers say so in `Sec-Fetch-Site` and `Origin`, so there are no tokens in
forms. Knows no page.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hogline.console.context import Console, form_of
from hogline.console.errors import error_answer, internal_error
from hogline.console.pages import PART, page, sign_in_path
from hogline.settings import Settings

MOST_BODY_BYTES = 1_048_576
UPLOAD, MOST_UPLOAD_BYTES = "/forecast", 104_857_600
"""The end of a path that takes a file from who is signed in."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_PROGRAMS = ("/static/", "/api/", "/metrics", "/readyz")
"""What a proxy's sign-in is not looked at for."""
UNKNOWN_TO_US = (
    "Your proxy signed you in, but Hogline has no account with this name. An admin can add one under Accounts or "
    "with `hogline accounts add`."
)
FOR_EVERYBODY = ("/sign-in", "/theme", *OPEN_TO_PROGRAMS)
"""What is answered without a session. `/api/` looks itself at who asks; `/metrics` and `/readyz` have counts, and the
names of connections with the sentence why one stopped."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Safety:
    def __init__(self, app: ASGIApp, console: Console) -> None:
        self._app = app
        self._console = console
        self._is_our_name = our_names(console.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, _limited(receive))
        begun = False

        async def send_safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _put_headers(message)
                for cookie in getattr(request.state, "set_cookies", ()):
                    MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        request.state.session = None
        request.state.address = self._console.proxies.client(
            request.client.host if request.client else "", ",".join(request.headers.getlist("x-forwarded-for"))
        )
        try:
            answer = await self._answer(request)
            if answer is not None:
                await answer(scope, receive, send_safely)
            else:
                most = MOST_UPLOAD_BYTES if request.url.path.endswith(UPLOAD) else MOST_BODY_BYTES
                await self._app(scope, _limited(receive, most), send_safely)
        except Exception as error:
            if begun:
                raise
            await (await internal_error(request, error))(scope, receive, send_safely)

    async def _answer(self, request: Request) -> Response | None:  # one for each thing that is in the way
        """The answer to what does not get through to a page."""
        if not self._is_our_name(request.headers.get("host", "")):
            sentence = (
                "The console is not configured for this host name. Use its IP address, or set HOGLINE_CONSOLE_URL."
            )
            return await error_answer(request, 421, sentence)
        if self._console.stopping.is_set():
            return await error_answer(request, 503, "Hogline is stopping.", {"retry-after": "5", "connection": "close"})
        if request.method not in SAFE_METHODS and not self._is_own(request):
            return await error_answer(request, 403)
        if "\0" in request.url.path or "\0" in unquote(request.url.query):
            return await error_answer(request, 400, "The address contains a NUL character. Remove it.")
        refused = await self._identify(request)
        if refused is None and request.state.session is None and not request.url.path.startswith(FOR_EVERYBODY):
            return await _sign_in(request)
        return refused

    async def _identify(self, request: Request) -> Response | None:
        """Find out who asks: a trusted proxy says so, or a session's cookie. Returns a response if the
        proxy names an unknown account.
        """
        sessions, named = self._console.sessions, self._named_by_proxy(request)
        session = sessions.find(request)
        if session is not None and session.by_proxy != (named is not None):
            session = None
        if named is not None and not request.url.path.startswith(OPEN_TO_PROGRAMS):
            account = sessions.account(named)
            if account is None:
                return await error_answer(request, 403, UNKNOWN_TO_US)
            if session is None or session.account.name != account.name:
                begun = Response()
                await self._console.begin_session(begun, account, request.state.address, by_proxy=True)
                request.state.set_cookies = begun.headers.getlist("set-cookie")
                session = sessions.fresh(account)
        request.state.session = session
        return None

    def _named_by_proxy(self, request: Request) -> str | None:
        """The account that a trusted proxy says has signed in; None: it says nothing, or it is no trusted proxy."""
        header = self._console.settings.console_sign_in_header
        peer = request.client.host if request.client else ""
        if not header or not self._console.proxies.trusts(peer):
            return None
        names = [value.strip().lower() for value in request.headers.getlist(header) if value.strip()]
        return names[0] if len(names) == 1 else None

    def _is_own(self, request: Request) -> bool:
        """Whether a request that changes something comes from our own pages, or from a program: no page elsewhere can
        give its requests an `Authorization`.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in {"same-origin", "none"}
        origin = request.headers.get("origin")
        if origin is not None:
            ours = {urlsplit(self._console.settings.console_url).netloc, request.headers["host"]}
            return urlsplit(origin).netloc.lower() in {name.lower() for name in ours if name}
        return request.headers.get("authorization", "").lower().startswith("bearer ")


def our_names(settings: Settings) -> Callable[[str], bool]:
    """Whether a Host is ours: an IP address (which no foreign name can become), this machine's own name for itself, or
    a host from the settings.
    """
    named = {"localhost", urlsplit(settings.console_url).hostname or "localhost", settings.console_host.lower()}

    def is_ours(host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in named or name.endswith(".localhost") or _is_ip_address(name)

    return is_ours


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _sign_in(request: Request) -> Response:
    if PART in request.headers or "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)  # the page says so, and keeps what was typed
    if request.method in SAFE_METHODS:
        return RedirectResponse(sign_in_path(request), 303)
    try:
        form = await form_of(request)
    except HTTPException as wrong:
        return await error_answer(request, wrong.status_code, wrong.detail)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    typed = [(name, value) for name, value in form.multi_items() if name != "once"]
    return await page(request, "session_ended.html", status=401, to=here, typed=typed)


def _put_headers(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers[name] = value
    headers.setdefault("cache-control", "no-store")


def _limited(receive: Receive, most_bytes: int = MOST_BODY_BYTES) -> Receive:
    """Reading the body raises `HTTPException` 413 once it is too long."""
    read = 0

    async def receive_limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most_bytes:
            raise HTTPException(413, f"The request is larger than {most_bytes:,} bytes. Send it in parts.")
        return message

    return receive_limited
