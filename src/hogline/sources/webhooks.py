"""The webhook route: one event, or several, in any format; the token is in a header or in the path."""

from __future__ import annotations

from collections.abc import Iterable

from hogline.posthog import Batch, Unreadable, read_webhook
from hogline.sources.asgi import Reply, problem, read_body
from hogline.sources.intake import BEARER, WRONG_TOKEN, Intake, bearer_token, encoding
from hogline.sources.routing import Request, Route

_NO_TOKEN = problem(
    401, "The token is missing. Send it as `Authorization: Bearer <token>`, or post to /webhook/<token>.", BEARER
)


def webhook_routes(intake: Intake) -> Iterable[Route]:
    webhook = _Webhook(intake)
    return [Route(path, ("POST", "PUT", "PATCH"), webhook) for path in ("/webhook", "/webhook/<token>")]


_PUBLIC_TOKEN = problem(403, "This is the public token. Webhooks need the private token (`hogline token`).")


class _Webhook:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, request: Request) -> Reply:
        intake = self._intake
        token = request.path[len("/webhook/") :] or bearer_token(request)
        if not token:
            return _NO_TOKEN
        match intake.tokens.kind(token):
            case None:
                return WRONG_TOKEN
            case "public":
                return _PUBLIC_TOKEN
            case "private":
                return await self._receive(request)

    async def _receive(self, request: Request) -> Reply:
        intake, limits = self._intake, self._intake.limits
        body = await read_body(request.receive, request.headers, limits.body_bytes)
        received_ms = intake.clock()

        def read(unpacked_bytes: int) -> Batch:
            return read_webhook(
                body,
                received_ms,
                content_encoding=encoding(request),
                unpacked_bytes=unpacked_bytes,
                batch_events=limits.batch_events,
            )

        try:
            async with intake.reading(request, body, read, limits.unpacked_bytes(limits.body_bytes)) as batch:
                return await intake.keep(request, batch)
        except Unreadable as wrong:
            # The token is good, so this is a sender of ours: the count tells the user to look here.
            await intake.journal.append([], {wrong.reason: 1})
            raise
