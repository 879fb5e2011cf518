"""Alerts: what they say, that they arrive at a real mail server and a real HTTP receiver, and that none nags."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email import message_from_bytes
from email.message import Message as Mail
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP
from msgspec.structs import replace
from service_bench import GOOD, ServiceBench, bench_in

from hogline.delivery.client import Client
from hogline.service import CannotDo
from hogline.service.alert_memory import AGAIN_AFTER_MS, REMIND_AFTER_MS, Memory, news
from hogline.service.alerts import WINDOW_S, AlertRules, Reading
from hogline.service.core import note_stopped
from hogline.service.notices import CannotSend, Notices
from hogline.settings import Settings
from hogline.views.connections import AlertView, ConnectionStatus

pytestmark = pytest.mark.anyio

WELL = ConnectionStatus(
    name="shop", destination="customerio", paused=False, state="delivering", reason=None, received=0, delivered=0,
    filtered={}, held=0, failures={}, pending=0, requests=0, adjusted={}, retries={}, replayed={}, lag_s=0.0,
)  # fmt: skip
WHERE = "https://hogline.example.com"
STOPPED = AlertView(key="shop: stopped", state="raised", sentence="shop has stopped: The key is wrong.")


def reading(*connections: ConnectionStatus, **changes: Any) -> Reading:
    usual = Reading(
        now_s=0.0, connections=connections, sources=(), last_received_s=1.0, pending_share=0.0, free_share=0.5
    )
    return replace(usual, **changes)


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings(data=tmp_path, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (reading(WELL), []),
        (reading(replace(WELL, state="stopped", reason="The key is wrong.")), ["shop has stopped: The key is wrong."]),
        (
            reading(replace(WELL, lag_s=1_380.0, pending=1_200)),
            ["shop is 23 minutes behind; 1,200 events are pending."],
        ),
        (reading(replace(WELL, lag_s=899.0, pending=1)), []),
        (reading(replace(WELL, paused=True, state="paused", lag_s=90_000.0, pending=9)), []),
        (reading(WELL, last_received_s=7_300.0), ["No event was received for 2 hours."]),
        (reading(WELL, last_received_s=None), []),
        (
            reading(WELL, pending_share=0.85),
            ["Pending events use 85% of HOGLINE_JOURNAL_MAX_BYTES. At 100% receiving stops."],
        ),
        (reading(WELL, free_share=0.021), ["Only 2.1% of the data directory's disk is free."]),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, seen: Reading, said: list[str]) -> None:
    rules = AlertRules(settings(tmp_path, alert_nothing_received_hours=2))
    assert list(rules.alerts(seen).values()) == said


def test_silence_is_no_alert_unless_asked_for(tmp_path: Path) -> None:
    assert AlertRules(settings(tmp_path)).alerts(reading(WELL, last_received_s=1e6)) == {}


def test_the_share_of_failures_is_that_of_the_last_ten_minutes(tmp_path: Path) -> None:
    rules = AlertRules(settings(tmp_path))
    assert rules.alerts(reading(replace(WELL, delivered=1_000, failures={"invalid": 500}))) == {}
    bad = replace(WELL, delivered=1_070, failures={"invalid": 530})
    assert list(rules.alerts(reading(bad, now_s=60.0)).values()) == [
        "30% of the events of shop failed in the last ten minutes."
    ]
    assert rules.alerts(reading(bad, now_s=61.0 + WINDOW_S)) == {}


def test_an_alert_is_said_once_then_its_end_and_again_only_after_an_hour(tmp_path: Path) -> None:
    alerts = {"disk": "Full."}

    def said(now_ms: int, alerts: dict[str, str], unknown: str | None = None) -> list[str]:
        memory = Memory(tmp_path)  # as after a restart
        told, after = news(memory.said, alerts, now_ms, unknown=unknown)
        memory.keep(after)
        return [f"{one.state} {one.sentence}" for one in told]

    begin = 1_793_527_200_000
    assert said(begin, alerts) == ["raised Full."]
    assert said(begin + 30_000, alerts) == []
    assert said(begin + 45_000, {}, "disk") == []
    assert said(begin + 60_000, {}) == ["recovered Recovered: Full."]
    assert said(begin + 90_000, alerts) == []
    assert said(begin + 120_000, {}) == []
    again = begin + AGAIN_AFTER_MS
    assert said(again, alerts) == ["raised Full."]
    assert said(again - 7_200_000, alerts) == []
    assert said(again + REMIND_AFTER_MS - 1, alerts) == []
    assert said(again + REMIND_AFTER_MS, alerts) == ["raised Full."]


def test_a_memory_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_bytes(b"{")
    assert Memory(tmp_path).said == {}


class Inbox:
    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's

        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
async def mail_server() -> AsyncIterator[tuple[str, Inbox]]:
    inbox = Inbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}", inbox
    server.close()


@asynccontextmanager
async def receiver(status: int = 200) -> AsyncIterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        got.append(msgspec.json.decode(await request.read()))
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield f"http://127.0.0.1:{port}/hook", got
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.close()


async def test_they_arrive_by_email(tmp_path: Path, mail_server: tuple[str, Inbox], client: Client) -> None:
    url, inbox = mail_server
    given = settings(
        tmp_path, alert_email="ada@example.com, bob@example.com", smtp_url=url, alert_from="hog@example.com"
    )
    disk = AlertView(key="disk", state="raised", sentence="Only 2.1% of the data directory's disk is free.")
    assert await Notices(given, client.send).send([STOPPED, disk], WHERE) == ["email"]
    (mail,) = inbox.mails
    assert (mail["subject"], mail["to"]) == ("[Hogline] 2 alerts", "ada@example.com, bob@example.com")
    assert mail["from"] == "hog@example.com"
    said = str(mail.get_payload())
    assert STOPPED.sentence in said
    assert disk.sentence in said
    assert WHERE in said


async def test_they_arrive_as_json(tmp_path: Path, client: Client) -> None:
    async with receiver() as (url, got):
        await Notices(settings(tmp_path, alert_webhook=url), client.send).send([STOPPED], WHERE)
    assert got == [
        {"source": "hogline", "url": WHERE, "summary": STOPPED.sentence, "alerts": [msgspec.to_builtins(STOPPED)]}
    ]


async def test_they_arrive_as_slack_takes_them(tmp_path: Path, client: Client) -> None:
    async with receiver() as (url, got):
        given = settings(tmp_path, alert_webhook=url, alert_webhook_format="slack")
        await Notices(given, client.send).send([STOPPED], WHERE)
    assert got == [{"text": f"*{STOPPED.sentence}*\n{STOPPED.sentence}\n{WHERE}"}]


async def test_a_place_that_does_not_take_them_is_named_without_a_secret(
    tmp_path: Path, client: Client, mail_server: tuple[str, Inbox]
) -> None:
    url, inbox = mail_server
    async with receiver(status=500) as (hook, _):
        given = settings(tmp_path, alert_email="ada@example.com", smtp_url=url, alert_webhook=hook)
        with pytest.raises(CannotSend, match=r"^The alert webhook responded with 500\.$"):
            await Notices(given, client.send).send([STOPPED], WHERE)
    assert len(inbox.mails) == 1
    secret = url.replace("//", "//user:hunter2@")
    given = settings(tmp_path, alert_email="ada@example.com", smtp_url=secret)
    with pytest.raises(CannotSend, match=r"^The mail server did not take the alert \(SMTPNotSupportedError\)\.$"):
        await Notices(given, client.send).send([STOPPED], WHERE)
    gone = settings(tmp_path, alert_webhook="http://127.0.0.1:9/hook")
    with pytest.raises(CannotSend, match="cannot be reached"):
        await Notices(gone, client.send).send([STOPPED], WHERE)


# as a whole


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def test_a_connection_that_stops_is_said_once_and_its_recovery(
    bench: ServiceBench, client: Client, tmp_path: Path
) -> None:
    service = bench.service
    async with receiver() as (url, got):
        notices = Notices(settings(tmp_path, alert_webhook=url), client.send)
        await service.alerts.look(notices)
        (connection,) = await service.state.connections()
        await service.workers.stop(connection.id)
        await note_stopped(service.state, service.clock, connection, "The key is wrong.")
        for _ in range(3):
            await service.alerts.look(notices)
        assert [one.sentence for one in await service.alerts.all()] == [STOPPED.sentence]
        await service.connections.configure("shop", {"hold_days": 7})
        for _ in range(3):
            await service.alerts.look(notices)
    assert [each["summary"] for each in got] == [STOPPED.sentence, f"Recovered: {STOPPED.sentence}"]


async def test_a_restart_repeats_nothing_and_says_what_is_over(
    client: Client, tmp_path: Path, mail_server: tuple[str, Inbox]
) -> None:
    mail_url, inbox = mail_server
    async with receiver() as (url, got):
        notices = Notices(
            settings(tmp_path, alert_webhook=url, alert_email="ada@example.com", smtp_url=mail_url), client.send
        )
        async with bench_in(tmp_path) as bench:
            service = bench.service
            await service.connections.add("customerio", GOOD, name="shop")
            (connection,) = await service.state.connections()
            await service.workers.stop(connection.id)
            await note_stopped(service.state, service.clock, connection, "The key is wrong.")
            await service.alerts.look(notices)
        for _ in range(3):
            async with bench_in(tmp_path) as bench:
                await bench.service.alerts.look(notices)
        async with bench_in(tmp_path) as bench:
            await bench.service.connections.configure("shop", {"hold_days": 7})
        for _ in range(2):
            async with bench_in(tmp_path) as bench:
                await bench.service.alerts.look(notices)
    said = [STOPPED.sentence, f"Recovered: {STOPPED.sentence}"]
    assert [each["summary"] for each in got] == said
    assert [mail["subject"] for mail in inbox.mails] == [f"[Hogline] {sentence}" for sentence in said]


async def test_what_reached_nobody_is_sent_again(bench: ServiceBench, client: Client, tmp_path: Path) -> None:
    service = bench.service
    (connection,) = await service.state.connections()
    await service.workers.stop(connection.id)
    await note_stopped(service.state, service.clock, connection, "The key is wrong.")
    await service.alerts.look(Notices(settings(tmp_path, alert_webhook="http://127.0.0.1:9/"), client.send))
    async with receiver() as (url, got):
        notices = Notices(settings(tmp_path, alert_webhook=url), client.send)
        for _ in range(2):
            await service.alerts.look(notices)
    assert [each["summary"] for each in got] == [STOPPED.sentence]


async def test_a_receiver_in_trouble_does_not_stop_the_watch(
    bench: ServiceBench, client: Client, tmp_path: Path
) -> None:
    (connection,) = await bench.service.state.connections()
    await bench.service.workers.stop(connection.id)
    await note_stopped(bench.service.state, bench.service.clock, connection, "The key is wrong.")
    await bench.service.alerts.look(Notices(settings(tmp_path, alert_webhook="http://127.0.0.1:9/"), client.send))


async def test_a_test_without_a_place_says_what_to_set(bench: ServiceBench) -> None:
    with pytest.raises(CannotDo, match="Alerts go nowhere yet"):
        await bench.service.alerts.test()


async def test_a_test_says_where_it_went(client: Client, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with receiver() as (url, got):
            bench = await stack.enter_async_context(bench_in(tmp_path, alert_webhook=url))
            bench.customerio.instead = client.send
            assert await bench.service.alerts.test() == ["webhook"]
        assert got[0]["alerts"][0]["state"] == "test"
        with pytest.raises(CannotDo, match="cannot be reached"):
            await bench.service.alerts.test()
