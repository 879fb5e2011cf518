"""PostHog's own API, as far as it sets up and watches one webhook destination ("hog function").

Endpoints and fields are those of PostHog's `products/cdp/backend/api/hog_function.py`. The personal API key comes as an
argument, is sent to that PostHog only, and is never kept. Knows nothing of what Hogline receives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from hogline.destinations.base import Send, Unreachable
from hogline.loopback import is_loopback
from hogline.model import Request

NAME = "Hogline"
DESCRIPTION = "Sends events to Hogline, which delivers them to Customer.io. Managed by `hogline posthog`."
SCOPES = "hog_function:read and hog_function:write"
_HOSTS = {"eu": "eu.posthog.com", "us": "us.posthog.com", "app.posthog.com": "us.posthog.com"}
_STATES = {1: "healthy", 2: "degraded", 3: "disabled", 11: "degraded", 12: "disabled"}
"""PostHog's HogFunctionState. Degraded: some deliveries failed; disabled: PostHog stopped it after many failures."""


class PostHogRefused(Exception):
    """PostHog did not do what was asked; the text says why and what to do. It never has the key in it."""


class Webhook(Struct, frozen=True, kw_only=True):
    """The destination as PostHog has it."""

    id: str
    name: str
    enabled: bool
    url: str
    state: str
    """healthy, degraded or disabled, by PostHog's own watching; empty if it does not say."""


class Invocation(Struct, frozen=True):
    """What came of sending one event through the destination."""

    ok: bool
    error: str
    """PostHog's own last words about it; empty if it went well."""


class PostHogApi:
    def __init__(self, host: str, project: str, key: str, send: Send) -> None:
        """`host`: `eu`, `us`, a host name, or the URL of a self-hosted PostHog. Raises `PostHogRefused`."""
        self.url = base_url(host)
        self.project = project.strip()
        if not re.fullmatch(r"\d{1,12}|@current", self.project):
            raise PostHogRefused("The project must be a number. You find it in PostHog's address bar: /project/12345.")
        self._key = key.strip()
        if not re.fullmatch(r"[!-~]{8,300}", self._key):
            raise PostHogRefused(
                "The personal API key is missing or malformed. Create one in PostHog under "
                f"Settings, Personal API keys, with the scopes {SCOPES}."
            )
        self._send = send

    async def webhooks(self) -> list[Webhook]:
        """All destinations of the project that are webhooks, with their URLs."""
        query = {"type": "destination", "full": "true", "limit": "200"}
        found = _list(await self._ask("GET", "", query=query), "results")
        return [_webhook(each) for each in found if isinstance(each, dict)]

    async def find(self, webhook_url: str) -> Webhook | None:
        """The destination that sends to this Hogline, if there is one."""
        address = webhook_url.partition("?")[0].rstrip("/")
        for webhook in await self.webhooks():
            if webhook.url.rstrip("/") == address or webhook.url.startswith(f"{address}/"):
                return webhook
        return None

    async def create(self, inputs: Mapping[str, object], filters: Mapping[str, object]) -> Webhook:
        body = {
            "type": "destination",
            "template_id": "template-webhook",
            "name": NAME,
            "description": DESCRIPTION,
            "enabled": True,
            "inputs": inputs,
            "filters": filters,
        }
        return _webhook(await self._ask("POST", "", body))

    async def change(self, webhook: Webhook, **changes: object) -> Webhook:
        return _webhook(await self._ask("PATCH", f"{quote(webhook.id, safe='')}/", changes))

    async def remove(self, webhook: Webhook) -> None:
        """PostHog forbids DELETE; a deleted destination stays in its history."""
        await self.change(webhook, deleted=True, enabled=False)

    async def invoke(self, webhook: Webhook, event: Mapping[str, object]) -> Invocation:
        """Send one event through the destination, as PostHog would send it."""
        place = f"{quote(webhook.id, safe='')}/"
        configuration = await self._ask("GET", place)
        event_and_person = {
            "event": event,
            "person": {"id": "00000000-0000-0000-0000-000000000000", "name": NAME, "url": "", "properties": {}},
            "project": {"id": 0, "name": NAME, "url": self.url},
            "source": {"name": NAME, "url": self.url},
        }
        asked = {"configuration": configuration, "globals": event_and_person, "mock_async_functions": False}
        answer = await self._ask("POST", f"{place}invocations/", asked)
        lines = [line for line in _list(answer, "logs") if isinstance(line, dict)]
        worst = [str(line.get("message", "")) for line in lines if line.get("level") in {"error", "warn"}]
        ok = answer.get("status") == "success" and not worst
        return Invocation(ok, "" if ok else _short(worst[-1] if worst else str(answer.get("status", "no status"))))

    async def errors(self, webhook: Webhook, limit: int = 5) -> list[str]:
        """The newest errors that PostHog logged for the destination."""
        query = {"level": "ERROR", "limit": str(limit)}
        answer = await self._ask("GET", f"{quote(webhook.id, safe='')}/logs/", query=query)
        lines = [line for line in _list(answer, "results") if isinstance(line, dict)]
        return [f"{line.get('timestamp', '')} {_short(str(line.get('message', '')))}".strip() for line in lines]

    async def totals(self, webhook: Webhook) -> dict[str, int]:
        """How many events succeeded, failed and were filtered over the last week, by PostHog's count."""
        query = {"after": "-7d"}
        answer = await self._ask("GET", f"{quote(webhook.id, safe='')}/metrics/totals/", query=query)
        totals = answer.get("totals", {})
        return {str(name): int(count) for name, count in totals.items()} if isinstance(totals, dict) else {}

    async def _ask(
        self, method: str, place: str, body: Mapping[str, object] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Raises `PostHogRefused`."""
        url = f"{self.url}/api/projects/{self.project}/hog_functions/{place}{'?' + urlencode(query) if query else ''}"
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            answer = await self._send(Request(method, url, headers, content))
        except Unreachable as why:
            raise PostHogRefused(f"{self.url} cannot be reached: {why}. Check --host and the network.") from None
        if not 200 <= answer.status < 300:
            raise PostHogRefused(self._why(answer.status, answer.body))
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise PostHogRefused(f"{self.url} does not look like PostHog. Check --host.") from None

    def _why(self, status: int, body: bytes) -> str:  # noqa: PLR0911  # a table
        detail = _detail(body)
        match status:
            case 401:
                return f"PostHog does not know this personal API key. Create one with the scopes {SCOPES}."
            case 403 if "scope" in detail or not detail:
                return f"The personal API key is not allowed to do this. It needs the scopes {SCOPES}."
            case 402 | 403:
                return f"PostHog does not allow it: {detail}"
            case 404:
                return f"PostHog has no project {self.project}, or your key has no access to it."
            case 429:
                return "Too many requests with this key. Try again in a minute."
            case 300 | 301 | 302 | 303 | 307 | 308:
                return f"{self.url} redirects. Use the host that you see in PostHog's address bar."
            case _ if status >= 500:
                return f"PostHog has a problem (HTTP {status}). Try again later."
            case _:
                return f"PostHog rejected the request (HTTP {status}{': ' + detail if detail else ''})."


def inputs_for(webhook_url: str, token: str) -> dict[str, object]:
    """What the webhook template is filled with. The token goes into a header: addresses end up in more logs."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return {
        "url": {"value": webhook_url},
        "method": {"value": "POST"},
        "headers": {"value": headers},
        "body": {"value": {"event": "{event}", "person": "{person}"}},
        "debug": {"value": False},
    }


def filters_for(*, test_accounts: bool) -> dict[str, object]:
    """All events: Hogline learns from those that it does not send. `test_accounts`: those of your team, too."""
    return {
        "source": "events",
        "events": [],
        "actions": [],
        "properties": [],
        "filter_test_accounts": not test_accounts,
    }


def base_url(host: str) -> str:
    given = host.strip().rstrip("/")
    named = _HOSTS.get(given.lower(), given)
    url = named if "://" in named else f"https://{named}"
    parts = urlsplit(url)
    if (
        parts.scheme not in {"https", "http"}
        or not parts.hostname
        or (parts.scheme == "http" and not is_loopback(parts.hostname))
    ):
        raise PostHogRefused("The host must be eu.posthog.com, us.posthog.com, or the https address of your PostHog.")
    if parts.hostname.endswith(".i.posthog.com"):
        raise PostHogRefused(f"{parts.hostname} only accepts events. Use {parts.hostname.replace('.i.', '.')}.")
    return f"{parts.scheme}://{parts.netloc}"


def _webhook(found: Mapping[str, Any]) -> Webhook:
    inputs = found.get("inputs")
    url = inputs.get("url") if isinstance(inputs, dict) else None
    value = url.get("value") if isinstance(url, dict) else None
    status = found.get("status")
    state = status.get("state") if isinstance(status, dict) else None
    return Webhook(
        id=str(found.get("id", "")),
        name=str(found.get("name", "")),
        enabled=found.get("enabled") is True,
        url=value if isinstance(value, str) else "",
        state=_STATES.get(state, "") if isinstance(state, int) else "",
    )


def _list(answer: Mapping[str, Any], key: str) -> Sequence[object]:
    value = answer.get(key)
    return value if isinstance(value, list) else []


def _detail(body: bytes) -> str:
    """What PostHog says of a refusal, in one line."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    detail = answer.get("detail") or answer.get("error") or ""
    attribute = answer.get("attr")
    return _short(f"{attribute}: {detail}" if attribute and detail else str(detail))


def _short(text: str) -> str:
    """One printable line of somebody else's text."""
    line = " ".join(text.split())
    return "".join(character for character in line if character.isprintable())[:300]
