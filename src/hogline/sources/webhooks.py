"""The webhook route: one event, or several, in whichever shape; the token stands in a header or in the path."""

from __future__ import annotations

from collections.abc import Iterable

from hogline.posthog import Unreadable, read_webhook
from hogline.sources.asgi import Answer, problem, read_body
from hogline.sources.intake import BEARER, WRONG_TOKEN, Intake, aside, encoding
from hogline.sources.routing import Request, Route

_NO_TOKEN = problem(
    401, "The token is missing: send it as `Authorization: Bearer <token>` or post to /webhook/<token>.", BEARER
)


def webhook_routes(intake: Intake) -> Iterable[Route]:
    webhook = _Webhook(intake)
    return [Route(path, ("POST", "PUT", "PATCH"), webhook) for path in ("/webhook", "/webhook/<token>")]


class _Webhook:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, request: Request) -> Answer:
        intake = self._intake
        token = request.path[len("/webhook/") :] or bearer_token(request)
        if not token:
            return _NO_TOKEN
        if not intake.knows(token):
            return WRONG_TOKEN
        limits = intake.limits
        body = await read_body(request.receive, request.headers, limits.body_bytes, limits)
        try:
            batch = await aside(
                body,
                read_webhook,
                body,
                intake.clock(),
                content_encoding=encoding(request),
                unpacked_bytes=limits.unpacked_bytes(limits.body_bytes),
                batch_events=limits.batch_events,
            )
        except Unreadable as wrong:
            # The token is good: this is one of our own senders, and it is told to look here.
            await intake.journal.append([], {wrong.reason: 1})
            raise
        return await intake.keep(request, batch)


def bearer_token(request: Request) -> str:
    scheme, _, token = request.header(b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
