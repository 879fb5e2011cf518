"""hogline demo: everything on one machine. A small shop sends traffic with the real PostHog SDK, and people appear in
a sandbox Customer.io.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec
from cyclopts import Parameter
from msgspec import Struct, field
from rich.text import Text

from hogline.cli.common import out, run, table_of
from hogline.cli.people import people_table
from hogline.cli.status import print_status
from hogline.delivery.client import Client
from hogline.model import Request
from hogline.runtime.serve import serving
from hogline.sandbox.server import Sandbox
from hogline.service import CannotDo, Service
from hogline.service.core import ConsoleDoor
from hogline.settings import Settings, read_settings
from hogline.telemetry.logs import set_up_logs

if TYPE_CHECKING:
    from posthog import Posthog

SETTLE_WITHIN_S = 30.0
WITHOUT_SDK = (
    "The demo needs PostHog's SDK, which is not installed. Install it: `pip install 'hogline[demo]'`, "
    "`pipx inject hogline posthog`, or `uvx --with posthog hogline demo`."
)


class _Customer(Struct):
    """A row of the sandbox's People, as far as the demo shows it."""

    cio_id: str
    id: str | None = None
    email: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)
    events: int = 0


_Customers: TypeAlias = Callable[[], Awaitable[list[_Customer]]]


class _Step(Struct, frozen=True):
    sentence: str
    distinct_id: str
    event: str
    properties: dict[str, object]


_VISITOR, _PASSER_BY, _ADA, _BOB = "0192a7c4-visitor", "0192b1d0-visitor", "user-1", "user-2"

STORY = (
    _Step("A visitor browses the shop", _VISITOR, "$pageview", {"$current_url": "https://shop.example/"}),
    _Step("… and adds a lamp to the cart", _VISITOR, "product added", {"product": "lamp"}),
    _Step("Someone else just looks at a page", _PASSER_BY, "$pageview", {"$current_url": "https://shop.example/"}),
    _Step(
        "The visitor signs up as Ada",
        _ADA,
        "$identify",
        {
            "$anon_distinct_id": _VISITOR,
            "$set": {"email": "ada@example.com", "name": "Ada", "plan": "free", "created_at": "2026-11-01T10:00:00Z"},
        },
    ),
    _Step("Ada orders the lamp", _ADA, "order completed", {"product": "lamp", "total": 49}),
    _Step("Ada changes her plan", _ADA, "$set", {"plan": "pro"}),
    _Step("Bob signs up", _BOB, "$identify", {"$set": {"email": "bob@example.com", "name": "Bob", "plan": "free"}}),
    _Step("Bob orders a chair", _BOB, "order completed", {"product": "chair", "total": 120}),
    _Step("Ada orders again", _ADA, "order completed", {"product": "desk", "total": 310}),
)


def demo(
    *,
    keep_running: Annotated[
        bool, Parameter(negative="", help="Keep Hogline and the sandbox running at the end, until Ctrl-C.")
    ] = False,
) -> None:
    """Watch visitors of a small shop become people in a sandbox Customer.io. No account or network needed."""
    if find_spec("posthog") is None:
        raise CannotDo(WITHOUT_SDK)
    with tempfile.TemporaryDirectory(prefix="hogline-demo-") as data:
        console = "127.0.0.1:0" if keep_running else "off"
        settings = read_settings(data=Path(data), listen="127.0.0.1:0", public_url="", console=console, console_url="")
        set_up_logs(settings.log_format, "error")
        run(_demo(settings, keep_running=keep_running))


async def _demo(settings: Settings, *, keep_running: bool) -> None:
    async with Sandbox() as sandbox, serving(settings) as service:
        options: dict[str, object] = {
            "site_id": "sandbox-site",
            "api_key": "sandbox-key",
            "tracking_endpoint": sandbox.url,
            "anonymous_users": "identified",
        }
        await service.connections.add("customerio", options)
        token = (await service.project_tokens.show()).token
        out.print(f"[dim]Sandbox Customer.io[/]  {sandbox.url}  [dim](emulates Customer.io's documented API)[/]")
        out.print(f"[dim]Hogline[/]              {service.addresses.receives}  [dim](data in {settings.data})[/]")
        if service.addresses.console is not None:
            password = service.addresses.console.first_password
            told = f"password {password}" if password else "sign in with HOGLINE_CONSOLE_PASSWORD"
            out.print(f"[dim]Console[/]              {service.addresses.console.url}  [dim]({told})[/]")
        out.print("[dim]Connection[/]           customerio, identified users only")
        out.print()
        async with _customers_of(sandbox.url) as customers:
            with _sdk(token, service.addresses.receives) as posthog:
                shop = _Shop(posthog, service, customers)
                for step in STORY:
                    await shop.play(step)
            await _conclude(service, customers)
        if keep_running:
            await _until_interrupted(settings, sandbox.url, service.addresses.console)


@contextlib.asynccontextmanager
async def _customers_of(sandbox: str) -> AsyncIterator[_Customers]:
    """A function that gives the sandbox's People."""
    client = Client()

    async def customers() -> list[_Customer]:
        answer = await client.send(Request("GET", f"{sandbox}/sandbox/people", {}))
        return msgspec.json.decode(answer.body, type=list[_Customer])

    try:
        yield customers
    finally:
        await client.close()


@contextlib.contextmanager
def _sdk(token: str, host: str) -> Iterator[Posthog]:
    from posthog import Posthog  # noqa: PLC0415  # only installed for the demo

    # Send every event immediately in its own request, so you see cause and effect.
    posthog = Posthog(token, host=host, sync_mode=True, disable_geoip=True)
    try:
        yield posthog
    finally:
        posthog.shutdown()


class _Shop:
    """Plays steps and prints what changed among the people of Customer.io."""

    def __init__(self, posthog: Posthog, service: Service, customers: _Customers) -> None:
        self._posthog = posthog
        self._service = service
        self._customers = customers
        self._before: dict[str, _Customer] = {}

    async def play(self, step: _Step) -> None:
        received = (await self._service.status.show()).connections[0].received
        await asyncio.to_thread(_send, self._posthog, step)
        status = await self._settled(received + 1)
        out.print(f"[bold]{step.sentence}[/]")
        people = {person.cio_id: person for person in await self._customers()}
        changes = [_change(self._before.get(key), person) for key, person in people.items()]
        told = [change for change in changes if change]
        for change in told:
            out.print(Text("  Customer.io: ", style="green").append(change, style="default"))
        if not told:
            rules = ", ".join(f"{reason} {n}" for reason, n in status.items())
            out.print(f"  not sent  [dim](filtered so far: {rules})[/]", style="yellow")
        self._before = people

    async def _settled(self, received: int) -> dict[str, int]:
        """Waits until this many events are received and settled. Returns the filtered counts."""
        async with asyncio.timeout(SETTLE_WITHIN_S):
            while True:
                status = (await self._service.status.show()).connections[0]
                if status.received >= received and status.pending == 0:
                    return status.filtered
                await asyncio.sleep(0.02)


def _change(before: _Customer | None, after: _Customer) -> str:
    who = after.email or after.id or after.cio_id
    if before is None:
        return f"new person {who} ({_attributes(after.attributes)}), {after.events} event{'s' * (after.events != 1)}"
    changed = {name: value for name, value in after.attributes.items() if before.attributes.get(name) != value}
    told = [_attributes(changed)] if changed else []
    if after.events != before.events:
        told.append(f"{after.events} events")
    return f"{who}: {', '.join(told)}" if told else ""


def _attributes(attributes: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in attributes.items() if name not in {"email", "id"})


def _send(posthog: Posthog, step: _Step) -> None:
    if step.event == "$set":
        posthog.set(distinct_id=step.distinct_id, properties=step.properties)
    else:
        posthog.capture(step.event, distinct_id=step.distinct_id, properties=step.properties)


async def _conclude(service: Service, customers: _Customers) -> None:
    out.print()
    out.print("[bold]People in Customer.io[/]")
    table = table_of("id", "email", "attributes", "events")
    for person in await customers():
        table.add_row(person.id or "", person.email or "", Text(_attributes(person.attributes)), str(person.events))
    out.print(table)
    out.print()
    out.print("[bold]People in Hogline[/]")
    out.print(people_table(await service.people.find()))
    out.print(
        "[dim]Hogline stores nothing about anonymous visitors who never identify. They do not become profiles.[/]"
    )
    out.print()
    for connection in (await service.status.show()).connections:
        print_status(connection)


async def _until_interrupted(settings: Settings, sandbox: str, console: ConsoleDoor | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pages = f"People: {sandbox}/" + (f"   Console: {console.url}" if console else "")
    out.print()
    out.print(f"Still running. Press Ctrl-C to stop. {pages}   Try: hogline status --data {settings.data}")
    await stop.wait()
