"""Commands beside a running process: what they call over the socket is what the process itself would do."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from operator import attrgetter
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import pytest
from kafka_log import Kafka
from service_bench import GOOD, REGION, TOKEN, ServiceBench, bench_in, rows_in

from hogline.backfill.runs import Prepared
from hogline.backfill.runs import Wanted as WantedRun
from hogline.model import Response
from hogline.runtime import control_socket as control
from hogline.runtime.control_socket import Unanswered, offered, reached
from hogline.runtime.remote import MAY_BE_DONE
from hogline.service import CannotDo, Service
from hogline.service.rights import RIGHTS
from hogline.store.audit import Wanted
from hogline.store.base import Unusable, Unwritable
from hogline.views.connections import CheckView

pytestmark = pytest.mark.anyio

STOPPED = f"The running Hogline stopped before it responded. {MAY_BE_DONE}"
UNKNOWN = "The running Hogline does not know this command. Is it a different version?"
NOT_UNDERSTOOD = "The running Hogline did not understand this command. Is it a different version?"

IDENTIFY = rb"""{"uuid": "0199f3a0-0000-7000-8000-000000000029", "event": "$identify", "distinct_id": "zo\u00eb",
 "properties": {"$set": {"email": "zoe@example.org", "plan": ["a", 1, 1.5, null, {"b": true}]}},
 "timestamp": "2026-11-01T09:00:00Z"}"""
REFUSED = rb"""{"uuid": "0199f3a0-0000-7000-8000-00000000002a", "event": "refuse me", "distinct_id": "zo\u00eb",
 "properties": {"total": 45.0, "items": [{"n": 1}]}, "timestamp": "2026-11-01T09:01:00Z"}"""
LINES = [(1, IDENTIFY), (2, b"\xff\x00 no event"), (3, REFUSED)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        yield made


@pytest.fixture
async def remote(bench: ServiceBench) -> AsyncIterator[Service]:
    async with bench.remote() as made:
        yield made


async def tour(service: Service) -> dict[str, object]:
    """What each function gives, in an order in which each has something to give. What is made by chance, handles
    and tokens, is only looked at.
    """
    seen: dict[str, object] = {}
    seen["connections.test"] = await service.connections.test("customerio", GOOD)
    seen["connections.add"] = await service.connections.add("customerio", GOOD, name="shop")
    seen["connections.all"] = await service.connections.all()
    seen["connections.configure"] = await service.connections.configure(
        "shop", {"identify_by_email": True, "event_allowlist": "Zoë, $x"}
    )
    await service.connections.configure("shop", {"event_allowlist": None})
    seen["connections.check"] = await service.connections.check("shop")
    seen |= await tour_of_files(service)
    seen |= await tour_of_runs(service)
    seen["connections.pause"] = await service.connections.pause("shop")
    seen |= await tour_of_failures(service)
    seen["live.newest"] = await service.live.newest()
    await service.accounts.set_password("open sesame")
    seen["accounts.set_password"] = "set"
    seen |= await tour_of_a_person(service)
    seen["status.show"] = await service.status.show()
    seen["trends.show"] = await service.trends.show("shop", "hour")
    seen["trends.sparkline"] = await service.trends.sparkline("shop")
    seen["status.problems"] = await service.status.problems()
    seen |= await tour_of_events(service)
    seen["connections.resume"] = await service.connections.resume("shop")
    seen["project_tokens.show"] = await service.project_tokens.show()
    seen["project_tokens.rotate"] = (await service.project_tokens.rotate()).older
    seen["project_tokens.add"] = (await service.project_tokens.add("phc_of_the_project")).added
    seen["project_tokens.revoke"] = type(await service.project_tokens.revoke(TOKEN))
    seen |= await tour_of_posthog(service)
    seen["doctor.examine"] = [one.subject for one in await service.doctor.examine()]
    seen["accounts.add"] = await service.accounts.add("ada", "viewer", "a password of Ada's")
    seen["accounts.set_role"] = await service.accounts.set_role("ADA", "operator")
    seen["accounts.all"] = [(one.name, one.role) for one in await service.accounts.all()]
    seen["accounts.remove"] = [one.name for one in await service.accounts.remove("ada")]
    with pytest.raises(CannotDo, match="Only accounts have a password"):
        await service.accounts.change_own_password("open sesame", "another password")
    seen["accounts.change_own_password"] = "refused"
    seen["audit.newest"] = [(one.number, one.action) for one in await service.audit.newest(Wanted(person="zoë"))]
    seen["audit.since"] = [one.details for one in await service.audit.since(after=2, limit=3)]
    seen["api_tokens.make"] = (await service.api_tokens.make("reports")).name
    seen["api_tokens.all"] = await service.api_tokens.all()
    seen["api_tokens.revoke"] = await service.api_tokens.revoke("reports")
    seen["exports.person"] = await service.exports.person("zoë")
    seen["exports.events"] = await service.exports.events(["zoë"])
    seen["forgetting.forget"] = await service.forgetting.forget("zoë", suppress=True)
    await service.forgetting.suppress("eve")
    await service.forgetting.unsuppress("eve")
    seen |= dict.fromkeys(("forgetting.suppress", "forgetting.unsuppress"), "done")
    seen["finder.who_is"] = await service.finder.who_is("zoë")
    seen |= {
        "connections.duplicate": await service.connections.duplicate("shop"),
        "connections.rename": await service.connections.rename("shop", "store"),
    }
    await service.connections.remove("store")
    seen["connections.remove"] = await service.connections.all()
    return seen


async def refused(asked: Awaitable[object]) -> str:
    with pytest.raises(CannotDo) as error:
        await asked
    return str(error.value)


async def tour_of_events(service: Service) -> dict[str, object]:
    logged = (await service.events.find("shop")).events
    return {
        "forecasts.of_received": await service.forecasts.of_received("customerio", {"hold_days": 3}),
        "people_list.show": await service.people_list.show("shop", everyone=True),
        "events.newest": await service.events.newest("shop"),
        "live.received": await service.live.received(limit=3),
        "events.find": [(each.position, each.event, each.outcome) for each in logged],
        "events.show": (await service.events.show("shop", logged[0].position)).event.event,
        "trials.send": (await service.trials.send("customerio", GOOD, '{"event": "seen", "distinct_id": "ann"}')).event,
        "audit.changes": [one.action for one in await service.audit.changes("shop")],
        "backlogs.show": (await service.backlogs.show("shop")).events,
        "status.rejected": await service.status.rejected(),
        "alerts.all": await service.alerts.all(),
        "alerts.test": await refused(service.alerts.test()),
    }


async def tour_of_posthog(service: Service) -> dict[str, object]:
    """PostHog cannot reach a bench, and has no destination that sends there."""
    for ask in (service.posthog.connect, service.posthog.status, service.posthog.disconnect):
        with pytest.raises(CannotDo, match=r"PostHog cannot reach|has no destination"):
            await ask("eu", "42", "phx_a_personal_key")
    return dict.fromkeys(("posthog.connect", "posthog.status", "posthog.disconnect"), "refused")


async def tour_of_files(service: Service) -> dict[str, object]:
    seen: dict[str, object] = {}
    preview = await service.previews.begin("shop")
    seen["previews.begin"] = type(preview)
    seen["previews.lines"] = await service.previews.lines(preview, LINES)
    seen["previews.rows"] = await service.previews.rows(preview, rows_in(LINES)[0])
    await service.previews.end(preview)
    seen["previews.end"] = "done"
    forecast = await service.forecasts.begin("shop")
    seen["forecasts.begin"] = type(forecast)
    seen["forecasts.begin_new"] = type(await service.forecasts.begin_new("customerio", {"hold_days": 3}))
    rows, _, _ = rows_in(LINES)
    await service.forecasts.rows(forecast, rows)
    seen["forecasts.rows"] = "done"
    seen["forecasts.show"] = await service.forecasts.show(forecast)
    await service.forecasts.end(forecast)
    seen["forecasts.end"] = "done"
    sending = await service.sendings.begin()
    seen["sendings.begin"] = type(sending)
    await service.sendings.send(sending, rows, {})
    seen["sendings.send"] = "done"
    seen["sendings.show"] = await service.sendings.show(sending, wait_s=10)
    await service.sendings.end(sending)
    seen["sendings.end"] = "done"
    return seen


async def tour_of_runs(service: Service) -> dict[str, object]:
    """Nobody writes the rows that are to be sent, so a run gets no further than to be read."""
    wanted = WantedRun(connection="shop", sources=["events.jsonl"], key="key")
    seen: dict[str, object] = {"backfills.begin": await service.backfills.begin(wanted)}
    await service.backfills.note_read(1, 7)
    seen["backfills.note_read"] = "done"
    seen["backfills.show"] = await service.backfills.show(1)
    with pytest.raises(CannotDo, match="are missing"):
        await service.backfills.ready(1, Prepared(rows=7))
    for ask in (service.backfills.pause, service.backfills.resume):
        with pytest.raises(CannotDo, match="Run 1 is reading"):
            await ask(1)
    seen |= dict.fromkeys(("backfills.ready", "backfills.pause", "backfills.resume"), "refused")
    seen["backfills.cancel"] = await service.backfills.cancel(1)
    seen["backfills.all"] = await service.backfills.all()
    with pytest.raises(CannotDo, match="must be absolute"):
        await service.history.start("shop", "events.jsonl")
    seen["history.start"] = "refused"
    seen["sources.all"] = await service.sources.all()
    for ask_source in (
        service.sources.pause,
        service.sources.resume,
        service.sources.dismiss,
        service.sources.remove,
    ):
        with pytest.raises(CannotDo, match="You have no sources yet"):
            await ask_source("posthog")
    with pytest.raises(CannotDo, match="The host must be"):
        await service.sources.add("http://posthog.example", "42", "phx_canary")
    with patch("hogline.service.consuming.Consuming.open", lambda *_: Kafka()):
        seen["sources.add_kafka"] = await service.sources.add_kafka(
            "kafka:9092", "clickhouse_events_json", 1, {"sasl.password": "canary", "socket.timeout.ms": 500}
        )
    seen["sources.dismiss"] = await service.sources.dismiss("kafka")
    seen |= dict.fromkeys(("sources.add", "sources.pause", "sources.resume", "sources.remove"), "refused")
    handle = await service.dry_runs.begin("shop")
    seen["dry_runs.begin"] = type(handle)
    await service.dry_runs.rows(handle, [row.body for row in rows_in(LINES)[0]])
    seen["dry_runs.rows"] = "done"
    seen["dry_runs.end"] = await service.dry_runs.end(handle, share=50)
    return seen


async def tour_of_a_person(service: Service) -> dict[str, object]:
    return {
        "people.find": await service.people.find("ZOE", connection="shop", limit=5),
        "people.show": await service.people.show("shop", "zoë"),
        "resending.person": await service.resending.person("shop", "zoë"),
        "resending.everyone": await service.resending.everyone("shop"),
        "resending.cancel": await service.resending.cancel("shop"),
        **await tour_of_verifying(service),
    }


async def tour_of_verifying(service: Service) -> dict[str, object]:
    """The bench's Customer.io has no App API."""
    with pytest.raises(CannotDo, match="App API"):
        await service.verification.silent_refusals("shop", "app-key-0123")
    return {
        "verification.people": await service.verification.people("shop"),
        "verification.silent_refusals": "none",
        "verification.compare": await service.verification.compare("shop", "app-key-0123", []),
        "resending.show": await service.resending.show("shop"),
    }


async def tour_of_failures(service: Service) -> dict[str, object]:
    """At a connection that is off: nothing is sent in between."""
    seen: dict[str, object] = {}
    failures = await service.failures.find("shop", reason="invalid")
    seen["failures.find"] = failures
    seen["failures.show"] = await service.failures.show("shop", failures[0].id)
    seen["failures.retry"] = await service.failures.retry("shop", ids=[failures[0].id])
    seen["failures.retrying"] = await service.failures.retrying("shop")
    seen["failures.retried"] = await service.failures.retried("shop")
    seen["failures.counts"] = await service.failures.counts("shop")
    seen["failures.discard"] = await service.failures.discard("shop", reason="invalid")
    seen["replays.begin"] = await service.replays.begin("shop", since_ms=0, events=["$identify"])
    seen["replays.pending"] = await service.replays.pending("shop")
    return seen


async def test_every_function_gives_over_the_socket_what_it_gives_directly(tmp_path: Path) -> None:
    async with bench_in(tmp_path / "one") as one, bench_in(tmp_path / "other") as other, other.remote() as remote:
        directly, by_socket = await tour(one.service), await tour(remote)

    assert by_socket == directly
    assert repr(by_socket) == repr(directly)  # which tells 1 from 1.0 and from true
    assert directly.keys() == {function for right in RIGHTS for function in right.functions}, (
        "a new function belongs into the tour"
    )


MISTAKES: dict[str, Callable[[Service], Awaitable[object]]] = {
    "an unknown destination": lambda service: service.connections.add("carrier pigeon", {}),
    "options that cannot be used": lambda service: service.connections.add(
        "customerio", {"api_key": "canary", "odd": 1}
    ),
    "a bad name": lambda service: service.connections.add("customerio", GOOD, name="No Such Näme"),
    "options to test that cannot be used": lambda service: service.connections.test(
        "customerio", {"api_key": "canary"}
    ),
    "options to test of nobody": lambda service: service.connections.test("customerio", {}, "nobody"),
    "a password too short": lambda service: service.accounts.set_password("canary"),
    "a name that is taken": lambda service: service.connections.add("customerio", GOOD, name="shop"),
    "no such connection": lambda service: service.connections.check("nobody"),
    "nothing to disconnect": lambda service: service.connections.remove("nobody"),
    "people of no connection": lambda service: service.people.find("", connection="nobody"),
    "a preview for no connection": lambda service: service.previews.begin("nobody"),
    "a forecast for no connection": lambda service: service.forecasts.begin("nobody"),
    "a forecast that is not under way": lambda service: service.forecasts.show("canary"),
}


@pytest.mark.parametrize("ask", MISTAKES.values(), ids=MISTAKES.keys())
async def test_a_cannot_do_is_told_in_the_same_sentence(
    bench: ServiceBench, remote: Service, ask: Callable[[Service], Awaitable[object]]
) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop")
    with pytest.raises(CannotDo) as directly:
        await ask(bench.service)
    with pytest.raises(CannotDo) as by_socket:
        await ask(remote)
    assert str(by_socket.value) == str(directly.value)
    assert "canary" not in str(by_socket.value)


async def test_refused_credentials_are_told_and_nothing_is_kept(bench: ServiceBench, remote: Service) -> None:
    bench.customerio.check = Response(401, {}, b"")
    with pytest.raises(CannotDo, match=r"rejected the credentials.*Nothing was saved\."):
        await remote.connections.add("customerio", GOOD)
    bench.customerio.check = REGION
    assert await remote.connections.all() == []


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (Unwritable("The disk is full. Free some space."), "The disk is full. Free some space."),
        (Unusable("Another key. Restore it."), "Another key. Restore it."),
        (
            ZeroDivisionError("canary"),
            "Internal error in the running Hogline (ZeroDivisionError). Its log has the details.",
        ),
    ],
    ids=["disk", "key", "our own cannot_do"],
)
async def test_other_trouble_is_one_sentence_too_and_the_next_command_is_answered(
    *,
    bench: ServiceBench,
    remote: Service,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    trouble: Exception,
    sentence: str,
) -> None:
    async def fails() -> list[str]:
        raise trouble

    monkeypatch.setattr(bench.service.status, "problems", fails)
    with pytest.raises(CannotDo) as raised:
        await remote.status.problems()
    assert str(raised.value) == sentence
    assert "canary" not in "".join(capfd.readouterr())
    assert (await remote.project_tokens.show()).token == TOKEN


@pytest.mark.parametrize(
    "name", ["start", "close", "state", "backlogs.bound", "api_tokens.find", "addresses", "no_such_thing"]
)
async def test_what_is_no_question_of_a_user_cannot_be_called(bench: ServiceBench, remote: Service, name: str) -> None:
    with pytest.raises(AttributeError):
        attrgetter(name)(remote)
    async with Talk(bench) as talk:
        assert await talk.cannot_do({"number": 1, "function": name, "arguments": {}}) == UNKNOWN


@pytest.mark.parametrize("arguments", [((), {}), (("a", "b"), {}), ((), {"odd": 1}), (("a",), {"name": "b"})])
async def test_a_call_with_wrong_arguments_fails_as_it_does_directly(
    bench: ServiceBench, remote: Service, arguments: tuple[tuple[object, ...], dict[str, object]]
) -> None:
    positional, named = arguments
    services: list[Any] = [bench.service, remote]  # whose arguments no checker looks at
    for service in services:
        with pytest.raises(TypeError):
            await service.connections.check(*positional, **named)


class Talk:
    """A program that is none of our clients, at the socket of a bench."""

    def __init__(self, bench: ServiceBench) -> None:
        self._socket = bench.socket

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_unix_connection(self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def answer(self, line: bytes) -> dict[str, object]:
        self.writer.write(line + b"\n")
        async with asyncio.timeout(10):
            answer: dict[str, object] = json.loads(await self.reader.readline())
        return answer

    async def cannot_do(self, call: object) -> object:
        return (await self.answer(call if isinstance(call, bytes) else json.dumps(call).encode()))["cannot_do"]


GARBAGE: dict[str, object] = {
    "no JSON": b"GET / HTTP/1.1",
    "an empty line": b"",
    "no UTF-8": b"\xff\xfe\x00",
    "no UTF-8 in a text": b'{"number":1,"function":"\xff","arguments":{}}',
    "nested deeply": b"[" * 100_000,
    "an argument nested deeply": b'{"number":1,"function":"connections.check","arguments":{"name":'
    + b"[" * 100_000
    + b"}}",
    "a list": [],
    "nothing in it": {},
    "no arguments": {"number": 1, "function": "status.problems"},
    "no number, as an older version has it": {"function": "status.problems", "arguments": {}},
    "a number that is none": {"number": "one", "function": "status.problems", "arguments": {}},
    "an argument of another type": {"number": 1, "function": "connections.check", "arguments": {"name": 5}},
    "an argument that nobody knows": {
        "number": 1,
        "function": "connections.check",
        "arguments": {"name": "a", "odd": 1},
    },
    "an argument named return": {"number": 1, "function": "connections.check", "arguments": {"return": "a"}},
    "an argument too few": {"number": 1, "function": "connections.check", "arguments": {}},
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.usefixtures("remote")
async def test_garbage_on_the_socket_is_answered_and_does_no_harm(bench: ServiceBench, garbage: object) -> None:
    async with Talk(bench) as talk:
        assert await talk.cannot_do(garbage) == NOT_UNDERSTOOD
        answer = await talk.answer(b'{"number":7,"function":"status.problems","arguments":{}}')
        assert answer == {"number": 7, "result": []}


@pytest.mark.parametrize("last_words", [b"x" * 100_000, b'{"number":1', b""], ids=["too long", "half", "nothing"])
async def test_a_program_that_talks_too_long_or_hangs_up_harms_no_other(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch, last_words: bytes
) -> None:
    monkeypatch.setattr(control, "LONGEST_LINE_BYTES", 10_000)
    async with bench.remote() as remote:
        async with Talk(bench) as talk:
            talk.writer.write(last_words)
            talk.writer.write_eof()
            await talk.reader.read()
        assert (await remote.project_tokens.show()).token == TOKEN


async def test_more_than_fits_into_a_call_is_one_clear_sentence_and_the_next_one_is_answered(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LONGEST_LINE_BYTES", 10_000)
    async with bench.remote() as remote:
        with pytest.raises(CannotDo, match="too large"):
            await remote.connections.check("x" * 10_000)
        assert (await remote.project_tokens.show()).token == TOKEN


async def test_the_socket_is_private_to_its_user(bench: ServiceBench) -> None:
    async with bench.offered():
        assert stat.S_IMODE(bench.socket.stat().st_mode) == 0o600


async def test_the_socket_is_gone_when_the_process_ends(bench: ServiceBench) -> None:
    async with bench.offered():
        pass
    assert not bench.socket.exists()
    with pytest.raises(Unanswered):
        async with reached(bench.socket):
            pass


def left_behind(path: Path) -> None:
    """The socket file of a process that was killed: bound once, nobody listens."""
    with sockets.socket(sockets.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.is_socket()


async def test_at_the_socket_of_a_killed_process_nobody_answers(tmp_path: Path) -> None:
    left_behind(tmp_path / "control.sock")
    with pytest.raises(Unanswered):
        async with reached(tmp_path / "control.sock"):
            pass


async def test_the_socket_of_a_killed_process_is_replaced(bench: ServiceBench) -> None:
    left_behind(bench.socket)
    async with bench.remote() as remote:
        assert (await remote.project_tokens.show()).token == TOKEN


async def test_a_path_too_long_for_a_socket_says_what_to_do(bench: ServiceBench, tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match=r"too long for a Unix socket .* Choose a shorter one\."):
        async with offered(bench.service, tmp_path / ("x" * 100) / "control.sock"):
            pass


async def test_a_place_where_no_socket_can_be_says_what_to_do(bench: ServiceBench) -> None:
    with pytest.raises(CannotDo, match=r"Cannot create a socket in the data directory .* with --data\."):
        async with offered(bench.service, bench.socket.parent / "missing" / "control.sock"):
            pass


async def waiting_check(bench: ServiceBench, service: Service) -> asyncio.Task[CheckView]:
    """A call that is under way until Customer.io is open again."""
    bench.customerio.open.clear()
    bench.customerio.asked.clear()
    call = asyncio.create_task(service.connections.check("shop"), name="under way")
    async with asyncio.timeout(10):
        await bench.customerio.asked.wait()
    return call


async def test_two_who_call_at_once_do_not_wait_for_each_other(bench: ServiceBench, remote: Service) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop")
    slow = await waiting_check(bench, remote)
    async with reached(bench.socket) as second, asyncio.timeout(10):
        assert (await second.project_tokens.show()).token == TOKEN
        assert not slow.done()
        bench.customerio.open.set()
        assert await slow == await bench.service.connections.check("shop")


async def test_calls_at_once_of_one_client_each_get_their_own_answer(bench: ServiceBench, remote: Service) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop")
    check, token, problems = await asyncio.gather(
        remote.connections.check("shop"), remote.project_tokens.show(), remote.status.problems()
    )
    assert (check.name, token.token, problems) == ("shop", TOKEN, [])


async def test_a_call_that_was_given_up_does_not_spoil_the_next(bench: ServiceBench, remote: Service) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop")
    slow = await waiting_check(bench, remote)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    bench.customerio.open.set()
    async with asyncio.timeout(10):
        assert (await remote.project_tokens.show()).token == TOKEN
        assert (await remote.connections.check("shop")).ok


async def test_a_process_that_stops_while_a_call_is_under_way_says_so(bench: ServiceBench) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop")
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with bench.offered():
        stack = reached(bench.socket)
        remote = await stack.__aenter__()
        under_way = await waiting_check(bench, remote)

    async with asyncio.timeout(10):
        with pytest.raises(CannotDo) as raised:
            await under_way
        assert str(raised.value) == STOPPED
        with pytest.raises(CannotDo) as again:
            await remote.project_tokens.show()
        assert str(again.value) == STOPPED
    await stack.__aexit__(None, None, None)
    assert failures == []


async def test_once_the_process_stops_no_call_works_on_its_closed_store(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        async with bench.offered(), reached(bench.socket) as remote:
            bench.customerio.open.clear()
            bench.customerio.asked.clear()
            configuring = asyncio.create_task(remote.connections.configure("shop", {"event_allowlist": "x"}))
            await bench.customerio.asked.wait()
        bench.customerio.open.set()
        with pytest.raises(CannotDo, match="stopped before it responded"):
            await configuring
        assert "event_allowlist" not in (await bench.service.connections.all())[0].options
