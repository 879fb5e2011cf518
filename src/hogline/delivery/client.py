"""HTTP requests. Follows no redirects, and only says what kind of failure occurred."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import aiohttp

from hogline.destinations.base import Unreachable
from hogline.loopback import is_loopback
from hogline.model import Request, Response

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60
LARGEST_ANSWER_BYTES = 2_000_000


class Client:
    """One pool of connections to destinations. Create it in the running event loop, and close it."""

    def __init__(self) -> None:
        self._outside = _session(proxies=True)
        self._loopback = _session(proxies=False)

    async def send(self, request: Request) -> Response:
        """Raises `Unreachable` if no complete response came."""
        try:
            async with self._session_for(request.url).request(
                request.method, request.url, data=request.body or None, headers=request.headers, allow_redirects=False
            ) as answer:
                body = await answer.content.read(LARGEST_ANSWER_BYTES) if answer.content_length != 0 else b""
                while not answer.content.at_eof() and len(body) < LARGEST_ANSWER_BYTES:
                    body += await answer.content.read(LARGEST_ANSWER_BYTES - len(body))
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, headers, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(_cause(error)) from None

    def _session_for(self, url: str) -> aiohttp.ClientSession:
        """A proxy from the environment (HTTPS_PROXY) is only used for other machines."""
        return self._loopback if is_loopback(urlsplit(url).hostname or "") else self._outside

    async def close(self) -> None:
        await self._outside.close()
        await self._loopback.close()


def _session(*, proxies: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=proxies,
    )


# From the most specific to the most general. TimeoutError is an OSError.
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "no connection within the time limit"),
    (TimeoutError, "no answer within the time limit"),
    (aiohttp.ClientConnectorCertificateError, "the server's certificate is not trusted"),
    (aiohttp.ClientSSLError, "no secure connection (TLS)"),
    (ssl.SSLError, "no secure connection (TLS)"),
    (aiohttp.ClientConnectorDNSError, "the host name is unknown"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ServerDisconnectedError, "the connection was closed before an answer"),
    (ConnectionError, "the connection was closed before an answer"),
    (aiohttp.ClientOSError, "the connection was closed before an answer"),
    (aiohttp.ClientPayloadError, "the answer was cut off"),
    (aiohttp.ClientResponseError, "the answer was no HTTP"),
)


def _cause(error: Exception) -> str:
    """The kind of failure, without host, path or payload."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), type(error).__name__)
