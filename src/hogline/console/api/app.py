"""The API as an ASGI app, to be mounted at `/api` of the console: tokens, limits, routes, errors as JSON.

Only a token opens it, never a session's cookie: so no page of another origin can use it in a signed-in browser. It
knows how to call an endpoint, but not what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hogline.console.api.allowance import Allowance
from hogline.console.api.endpoints import ApiError, Endpoint
from hogline.console.api.openapi import Error, Problem, describe
from hogline.console.api.resources import ENDPOINTS
from hogline.service import CannotDo, Service
from hogline.service.actor import Actor
from hogline.service.rights import Forbidden, permitted
from hogline.sources.addresses import TrustedProxies, subscriber
from hogline.store.base import Unusable, Unwritable
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.console")

LARGEST_BODY_BYTES = 1_000_000
MOST_QUERY_FIELDS = 20
DESCRIPTION = "/api/openapi.json"

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_BEARER = {"www-authenticate": "Bearer"}


class Api:
    def __init__(
        self,
        service: Service,
        now_s: Callable[[], float],
        endpoints: Sequence[Endpoint] = ENDPOINTS,
        *,
        at_once: int = 200,
        per_s: float = 50.0,
        proxies: TrustedProxies | None = None,
    ) -> None:
        """`now_s`: seconds that never go back. `at_once`, `per_s`: how many requests of one token are answered at
        once, and how many more with every second. `proxies`: the proxies that may name a client's address.
        """
        self._proxies = proxies or TrustedProxies()
        self._service = service
        self._endpoints = endpoints
        self._allowance = Allowance(now_s, at_once=at_once, per_s=per_s)
        self._failing = Allowance(now_s, at_once=20, per_s=0.2)
        """Requests with a token that is not valid, by address. A valid one never waits for them."""

    @cached_property
    def _description(self) -> bytes:
        """Written when it is first asked for: it takes a tenth of a second, and few ask."""
        return msgspec.json.encode(describe(self._endpoints))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except ApiError as error:
            response = _error(error.status, str(error), error.headers)
        except HTTPException as error:  # from the layer above: the body is too large
            response = _error(error.status_code, error.detail)
        except Forbidden as forbidden:
            response = _error(403, str(forbidden))
        except CannotDo as error:
            response = _error(422, str(error))
        except Unwritable as trouble:
            response = _error(503, str(trouble), {"retry-after": str(trouble.retry_after_s)})
        except Unusable as trouble:
            response = _error(503, str(trouble))
        except Exception as error:
            # Ours. Its text may quote what was sent.
            log.error("the API failed", error=kind_and_place(error))  # noqa: TRY400  # the kind and place say it
            response = _error(500, "Internal error. The log has the details. Please report this bug.")
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.scope["path"] == DESCRIPTION and request.method == "GET":
            return _json(200, self._description)
        service = permitted(self._service, await self._admit(request))
        endpoint, path = self._find(request)
        body = await _body(request) if endpoint.body else b""
        result = await endpoint.function(service, **endpoint.arguments(path, _query(request), body))
        return _json(endpoint.status, b"" if endpoint.status == 204 else msgspec.json.encode(result))

    async def _admit(self, request: Request) -> Actor:
        """The caller. Raises `ApiError` if it has no valid token or sends too many requests."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ApiError(
                401,
                "The token is missing. Send it as `Authorization: Bearer <token>`. You can create one in the console.",
                _BEARER,
            )
        address = self._proxies.client(
            request.client.host if request.client else "", ",".join(request.headers.getlist("x-forwarded-for"))
        )
        found = self._service.api_tokens.find(token.strip())
        if found is None:
            await self._refused(address)
            raise ApiError(
                401, "This token is invalid or has expired. You can create a new one in the console.", _BEARER
            )
        _within(self._allowance, found.name)
        self._allowance.used(found.name)
        await self._service.api_tokens.note_use(found)
        return Actor(name=found.name, kind="token", role=found.role, address=address)

    async def _refused(self, address: str) -> None:
        """A token is 256 bits of chance: this keeps nobody from guessing, but noise low. Raises `ApiError`."""
        sender = subscriber(address)
        _within(self._failing, sender)
        self._failing.used(sender)
        nobody = Actor(name="unknown", kind="token", role="viewer", address=address)
        await self._service.trail.note("api_token_refused", who=nobody)

    def _find(self, request: Request) -> tuple[Endpoint, dict[str, str]]:
        path: str = request.scope["path"]
        matches = [(one, match) for one in self._endpoints if (match := one.pattern.fullmatch(path))]
        # Of two paths that fit, the one with fewer names in it is meant: `failures/retry`, not `failures/{id}`.
        fewest = min((len(match.groupdict()) for _, match in matches), default=0)
        methods = {one.method: (one, match) for one, match in matches if len(match.groupdict()) == fewest}
        allowed = ", ".join(sorted(methods)) if path != DESCRIPTION else "GET"
        if not allowed:
            raise ApiError(404, f"Not found. See {DESCRIPTION} for all endpoints.")
        for method, (endpoint, match) in methods.items():
            if method == request.method:
                return endpoint, match.groupdict()
        raise ApiError(405, f"Method not allowed. Use {allowed}.", {"allow": allowed})


def _within(allowance: Allowance, caller: str) -> None:
    if wait_s := allowance.wait_s(caller):
        raise ApiError(429, "Too many requests. Try again later.", {"retry-after": str(wait_s)})


def _query(request: Request) -> dict[str, str]:
    try:
        pairs = parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS)
    except ValueError:
        raise ApiError(400, f"The query has more than {MOST_QUERY_FIELDS} fields.") from None
    if any("\0" in text for pair in pairs for text in pair):
        raise ApiError(400, "The query contains a NUL character. Remove it.")
    query = dict(pairs)
    if len(query) < len(pairs):
        raise ApiError(400, "A query parameter is given more than once.")
    return query


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY_BYTES:
            raise ApiError(413, f"The body is larger than {LARGEST_BODY_BYTES:,} bytes.", {"connection": "close"})
    if b"\\u0000" in body:
        raise ApiError(400, "The body contains a NUL character. Remove it.")
    return bytes(body)


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, _HEADERS, media_type=None if status == 204 else "application/json")


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(Error(Problem(sentence)))
    return Response(body, status, _HEADERS | (headers or {}), media_type="application/json")
