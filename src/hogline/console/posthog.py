"""Connect PostHog: what to paste where, and the first event the moment it arrives."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import service_of
from hogline.console.live import changes
from hogline.console.pages import page
from hogline.reasons import PRIVATE_MEANS, PUBLIC_MEANS

LIVE_EVERY_S = 0.25

WEBHOOK_BODY = '{"event": "{event}", "person": "{person}"}'
"""As PostHog's HTTP Webhook destination proposes it."""

BROWSER = """\
<script>
  // Loads posthog-js from Hogline, and keeps what the page says until it is there.
  !function (w, d) {
    if (w.posthog && w.posthog.__SV) return
    var methods = 'alias capture captureException debug getFeatureFlag get_distinct_id get_session_id group ' +
      'has_opted_out_capturing identify isFeatureEnabled onFeatureFlags opt_in_capturing opt_out_capturing register ' +
      'register_for_session register_once reloadFeatureFlags reset resetGroups setPersonProperties set_config ' +
      'startSessionRecording stopSessionRecording unregister unregister_for_session'
    function queue() {
      var calls = []
      calls.people = []
      methods.split(' ').forEach(function (name) {
        calls[name] = function () { calls.push([name].concat([].slice.call(arguments))) }
      })
      return calls
    }
    var posthog = w.posthog = queue()
    posthog.__SV = 1
    posthog._i = []
    posthog.init = function (token, options, name) {
      if (name) posthog[name] = queue()
      if (posthog._i.push([token, options, name || 'posthog']) > 1) return
      var script = d.createElement('script')
      script.async = true
      script.crossOrigin = 'anonymous'
      script.src = options.api_host + '/static/array.js'
      d.head.appendChild(script)
    }
  }(window, document)

  posthog.init('{token}', { api_host: '{host}', person_profiles: 'always' })
  posthog.capture('some_event', {
    event_property: 'value',
    $set: { email: 'test@example.com', userProperty: 'value' },
  })
</script>"""
"""A page's whole set-up. Its first part has the form that array.js expects of PostHog's snippet: a list of calls, in
`_i` the calls of `init`, and `__SV` as its mark."""

PYTHON = """\
from posthog import Posthog

posthog = Posthog("{token}", host="{host}")
posthog.capture(
    "some_event",
    distinct_id="user-1",
    properties={"event_property": "value", "$set": {"email": "test@example.com", "userProperty": "value"}},
)
posthog.shutdown()"""

NODE = """\
import { PostHog } from 'posthog-node'

const posthog = new PostHog('{token}', { host: '{host}' })
posthog.capture({
  distinctId: 'user-1',
  event: 'some_event',
  properties: { event_property: 'value', $set: { email: 'test@example.com', userProperty: 'value' } },
})
await posthog.shutdown()"""


def filled(code: str, host: str, token: str) -> str:
    """One of the snippets, for this Hogline."""
    return code.replace("{token}", token).replace("{host}", host)


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
        private_means=PRIVATE_MEANS,
        public_means=PUBLIC_MEANS,
        public_snippet=filled(BROWSER, host, token.public_token),
        snippets=[(title, filled(code, host, token.token)) for title, code in (("Python", PYTHON), ("Node.js", NODE))],
        arrival=await service.newest_event(),
    )


async def stream(request: Request) -> StreamingResponse:
    """Says when an event has arrived."""
    return changes(request, service_of(request).newest_event, every_s=LIVE_EVERY_S)


ROUTES = [
    Route("/connect-posthog", connect_posthog, methods=["GET"], name="connect-posthog"),
    Route("/connect-posthog/changes", stream, methods=["GET"], name="connect-posthog-changes"),
]
