"""Connect PostHog: what to paste where, and the first event the moment it arrives."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import service_of
from hogline.console.live import changes
from hogline.console.pages import page

LIVE_EVERY_S = 0.25

WEBHOOK_BODY = '{"event": "{event}", "person": "{person}"}'
"""As PostHog's HTTP Webhook destination proposes it."""

BROWSER = """\
posthog.init('{token}', {{ api_host: '{host}', person_profiles: 'always' }})
posthog.capture('some_event', {{
  event_property: 'value',
  $set: {{ email: 'test@example.com', userProperty: 'value' }},
}})"""

PYTHON = """\
from posthog import Posthog

posthog = Posthog("{token}", host="{host}")
posthog.capture(
    "some_event",
    distinct_id="user-1",
    properties={{"event_property": "value", "$set": {{"email": "test@example.com", "userProperty": "value"}}}},
)
posthog.shutdown()"""

NODE = """\
import {{ PostHog }} from 'posthog-node'

const posthog = new PostHog('{token}', {{ host: '{host}' }})
posthog.capture({{
  distinctId: 'user-1',
  event: 'some_event',
  properties: {{ event_property: 'value', $set: {{ email: 'test@example.com', userProperty: 'value' }} }},
}})
await posthog.shutdown()"""


async def connect_posthog(request: Request) -> Response:
    service = service_of(request)
    token = await service.token()
    host = service.receives_at
    return await page(
        request,
        "connect_posthog.html",
        token=token.token,
        webhook_url=token.webhook_url,
        webhook_url_without_token=f"{host}/webhook",
        webhook_body=WEBHOOK_BODY,
        snippets=[
            (title, code.format(token=token.token, host=host))
            for title, code in (("In a browser (posthog-js)", BROWSER), ("Python", PYTHON), ("Node.js", NODE))
        ],
        arrival=await service.newest_event(),
    )


async def stream(request: Request) -> StreamingResponse:
    """Says when an event has arrived."""
    return changes(request, service_of(request).newest_event, every_s=LIVE_EVERY_S)


ROUTES = [
    Route("/connect-posthog", connect_posthog, methods=["GET"], name="connect-posthog"),
    Route("/connect-posthog/changes", stream, methods=["GET"], name="connect-posthog-changes"),
]
