"""What the browser tests and the screenshots play on: Hogline with its console, and a sandbox Customer.io."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from npm_packages import package
from playwright.async_api import Page

from hogline.delivery.client import Client
from hogline.model import Request
from hogline.runtime.serve import serving
from hogline.sandbox.server import Sandbox
from hogline.service import Service
from hogline.settings import Settings


class Stage:
    def __init__(self, service: Service, sandbox: Sandbox, client: Client) -> None:
        assert service.addresses.console is not None
        self.service = service
        self.sandbox = sandbox
        self.console = service.addresses.console.url
        self._password = service.addresses.console.first_password or ""
        self._client = client

    async def open(self, page: Page) -> None:
        """Home, signed in."""
        form: dict[str, str | float | bool] = {"password": self._password}
        await page.context.request.post(
            f"{self.console}/sign-in", form=form, headers={"origin": self.console}, max_redirects=0
        )
        await page.goto(f"{self.console}/")

    async def sign_in(self, page: Page) -> None:
        """As a person does."""
        await page.goto(f"{self.console}/sign-in")
        await page.get_by_label("Password").fill(self._password)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{self.console}/")

    async def connect(self, name: str = "customerio", **options: object) -> None:
        """A connection to the sandbox."""
        good = {"site_id": "sandbox-site", "api_key": "sandbox-key", "tracking_endpoint": self.sandbox.url}
        await self.service.connections.add("customerio", {**good, **options}, name=name)

    async def receive(self, *events: dict[str, object]) -> None:
        """As an SDK sends them."""
        token = (await self.service.project_tokens.show()).token
        body = msgspec.json.encode({"api_key": token, "batch": list(events)})
        url = f"{self.service.addresses.receives}/batch/"
        response = await self._client.send(Request("POST", url, {"content-type": "application/json"}, body))
        assert response.status == 200


@asynccontextmanager
async def staged(data: Path) -> AsyncIterator[Stage]:
    settings = Settings(data=data, listen="127.0.0.1:0", console="127.0.0.1:0", log_level="error")
    client = Client()
    try:
        async with Sandbox() as sandbox, serving(settings) as service:
            yield Stage(service, sandbox, client)
    finally:
        await client.close()


async def found_by_axe(page: Page, *, every: bool = False, rules: Sequence[str] = ()) -> list[str]:
    """What axe-core finds on the page that is serious or critical, or `every` finding: the rule, and where. `rules`:
    look only for these.
    """
    # Through the protocol, not as a script of the page: its content security policy holds in tests too.
    await page.evaluate((package("axe-core") / "axe.min.js").read_text("utf-8"))
    only = {"runOnly": {"type": "rule", "values": [*rules]}} if rules else {}
    found = await page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **only})
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found["violations"]
        if every or violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


async def is_wider_than_the_window(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
