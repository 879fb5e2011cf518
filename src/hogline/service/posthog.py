"""Sets up PostHog's webhook destination through its API: creates, tests, watches and removes it."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import uuid4

import structlog

from hogline.clock import Clock
from hogline.destinations.base import Send
from hogline.loopback import is_loopback
from hogline.posthog.entry import decode_event
from hogline.posthog_api import PostHogApi, PostHogRefused, Webhook, filters_for, inputs_for
from hogline.service.core import Addresses, CannotDo
from hogline.service.project_tokens import ProjectTokens
from hogline.service.trail import Trail
from hogline.store.base import Journal
from hogline.views.connections import PostHogView

log = structlog.get_logger("hogline.service")

TEST_EVENT = "$$hogline_test"
"""Names that begin with $$ are PostHog's own, so no destination ever gets this event."""
ARRIVES_WITHIN_S = 10.0
LOOK_EVERY_S = 0.1


class PostHogSetup:
    """The personal API key is used for one call and not stored."""

    def __init__(
        self,
        *,
        journal: Journal,
        send: Send,
        clock: Clock,
        tokens: ProjectTokens,
        addresses: Addresses,
        trail: Trail,
    ) -> None:
        self._journal = journal
        self._send = send
        self._clock = clock
        self._tokens = tokens
        self._addresses = addresses
        self._trail = trail

    async def connect(self, host: str, project: str, key: str, *, test_accounts: bool = False) -> PostHogView:
        """Create or update the webhook destination, then send an event through it and wait for it.

        `test_accounts`: also send events of your team. Raises `CannotDo` for every failure except that of the test,
        which the view describes.
        """
        token = (await self._tokens.show()).token
        url = f"{self._addresses.receives}/webhook"
        try:
            posthog = PostHogApi(host, project, key, self._send)
            if is_loopback(urlsplit(url).hostname or "") and not is_loopback(urlsplit(posthog.url).hostname or ""):
                raise CannotDo(
                    f"PostHog cannot reach {self._addresses.receives}, because only this machine can. Set "
                    "HOGLINE_PUBLIC_URL to your public address."
                )
            inputs, filters = inputs_for(url, token), filters_for(test_accounts=test_accounts)
            webhook = await posthog.find(url)
            if webhook is None:
                webhook = await posthog.create(inputs, filters)
            else:
                webhook = await posthog.change(webhook, inputs=inputs, filters=filters, enabled=True)
            where = {"posthog": posthog.url, "project": posthog.project}
            log.info("PostHog set up", **where)
            await self._trail.note("posthog_connected", where)
            problem = await self._try(posthog, webhook)
        except PostHogRefused as refused:
            raise CannotDo(str(refused)) from None
        return PostHogView(
            url=webhook.url, enabled=webhook.enabled, state=webhook.state, arrived=not problem, problem=problem
        )

    async def status(self, host: str, project: str, key: str) -> PostHogView:
        """How PostHog sees the destination: its state, the counts of the last week, and its newest errors."""
        try:
            posthog = PostHogApi(host, project, key, self._send)
            webhook = await self._ours(posthog)
            return PostHogView(
                url=webhook.url,
                enabled=webhook.enabled,
                state=webhook.state,
                totals=await posthog.totals(webhook),
                errors=await posthog.errors(webhook),
            )
        except PostHogRefused as refused:
            raise CannotDo(str(refused)) from None

    async def disconnect(self, host: str, project: str, key: str) -> None:
        """Remove the destination from PostHog."""
        try:
            posthog = PostHogApi(host, project, key, self._send)
            await posthog.remove(await self._ours(posthog))
        except PostHogRefused as refused:
            raise CannotDo(str(refused)) from None
        where = {"posthog": posthog.url, "project": posthog.project}
        log.info("PostHog disconnected", **where)
        await self._trail.note("posthog_disconnected", where)

    async def _ours(self, posthog: PostHogApi) -> Webhook:
        webhook = await posthog.find(f"{self._addresses.receives}/webhook")
        if webhook is None:
            raise CannotDo(
                f"Project {posthog.project} has no destination that sends to {self._addresses.receives}. Create one "
                "with `hogline posthog connect`."
            )
        return webhook

    async def _try(self, posthog: PostHogApi, webhook: Webhook) -> str:
        """Send an event through PostHog. Returns what went wrong and what to do; empty if it arrived."""
        before, uuid = self._journal.end, str(uuid4())
        event = {
            "uuid": uuid,
            "event": TEST_EVENT,
            "distinct_id": TEST_EVENT,
            "properties": {"$process_person_profile": False},
            "elements_chain": "",
            "url": "",
        }
        tried = await posthog.invoke(webhook, event)
        if "401" in tried.error or "403" in tried.error:
            return f"{webhook.url} rejected PostHog's request. Does a proxy ask for a password? ({tried.error})"
        if not tried.ok:
            return (
                f"PostHog could not deliver to {webhook.url}. Check that it can be reached from the internet. "
                f"({tried.error})"
            )
        if not await self._arrives(before, uuid):
            return f"PostHog delivered to {webhook.url}, but nothing arrived here. Is another Hogline running there?"
        return ""

    async def _arrives(self, after: int, uuid: str) -> bool:
        for _ in range(round(ARRIVES_WITHIN_S / LOOK_EVERY_S)):
            for position, body in await self._journal.read(after, 1_000):
                after = position
                if decode_event(body).uuid == uuid:
                    return True
            await self._clock.sleep(LOOK_EVERY_S)
        return False
