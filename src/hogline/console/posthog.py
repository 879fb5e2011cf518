"""Connect PostHog: what to paste where, and the first event the moment it arrives."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import console_of, form_of, require_right, service_of, whole_number
from hogline.console.pages import page
from hogline.reasons import PRIVATE_MEANS, PUBLIC_MEANS
from hogline.service import CannotDo
from hogline.views.connections import PostHogView

WEBHOOK_BODY = '{"event": "{event}", "person": "{person}"}'
"""As PostHog's HTTP Webhook destination proposes it."""

BROWSER = """\
<script>
  // Loads posthog-js from Hogline, and keeps calls until it has loaded.
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


LOCAL = "localhost"


def is_only_here(url: str) -> bool:
    """Whether nobody outside of this machine or its network can reach that address."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == LOCAL or host.endswith((f".{LOCAL}", ".local", ".internal"))
    return not address.is_global


async def connect_posthog(request: Request) -> Response:
    return await _page(request)


@dataclass(frozen=True)
class SetUp:
    """The form for PostHog's API, and what came of it."""

    host: str = "eu.posthog.com"
    project: str = ""
    view: PostHogView | None = None
    said: str = ""
    problem: str = ""


async def set_up(request: Request) -> Response:
    """`do`: `connect`, `status` or `disconnect`, by PostHog's API. The key is used and forgotten."""
    require_right(request, "posthog.connect")
    form, service = await form_of(request), service_of(request)
    host, project, key = (str(form.get(name, "")).strip() for name in ("host", "project", "key"))
    if not project or not key:
        return await _page(
            request, SetUp(host, project, problem="Enter the number of the project and a personal API key.")
        )
    try:
        match form.get("do"):
            case "status":
                done = SetUp(host, project, await service.posthog.status(host, project, key))
            case "disconnect":
                await service.posthog.disconnect(host, project, key)
                done = SetUp(host, project, said="Removed the destination from PostHog.")
            case _:
                tests = form.get("test_accounts") == "yes"
                view = await service.posthog.connect(host, project, key, test_accounts=tests)
                done = SetUp(host, project, view, view.problem or "PostHog sends events here. A test event arrived.")
    except CannotDo as error:
        done = SetUp(host, project, problem=str(error))
    return await _page(request, done)


async def _page(request: Request, done: SetUp | None = None) -> Response:
    """Shows what arrived behind the position `after`; without one, from now on."""
    service = service_of(request)
    token, newest = await service.project_tokens.show(), await service.live.newest()
    text = request.query_params.get("after", "")
    after = whole_number(text, "`after`") if text else newest.position if newest else 0
    host = console_of(request).service.addresses.receives
    return await page(
        request,
        "connect_posthog.html",
        status=422 if done is not None and done.problem else 200,
        token=token.token,
        webhook_url=token.webhook_url,
        webhook_url_without_token=f"{host}/webhook",
        webhook_body=WEBHOOK_BODY,
        private_means=PRIVATE_MEANS,
        public_means=PUBLIC_MEANS,
        public_snippet=filled(BROWSER, host, token.public_token),
        snippets=[(title, filled(code, host, token.token)) for title, code in (("Python", PYTHON), ("Node.js", NODE))],
        arrival=newest if newest is not None and newest.position > after else None,
        before=newest,
        after=after,
        rejected=await service.status.rejected(),
        receives_at=host,
        only_here=is_only_here(host),
        done=done or SetUp(),
    )


ROUTES = [
    Route("/connect-posthog", connect_posthog, methods=["GET"], name="connect-posthog"),
    Route("/connect-posthog", set_up, methods=["POST"]),
]
