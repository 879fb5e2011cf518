"""Connections on a real port: each has a deadline in every state, there are not too many, and what is refused takes
nothing else along.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs
# mypy: disable-error-code="method-assign, arg-type, no-any-return"

import asyncio
import contextlib
import json
import re

import pytest
from receiving import TOKEN, Inbox, captured
from test_listener import listening, request, talk

from hogline.sources.addresses import TrustedProxies
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections, shares
from hogline.sources.limits import ReceivingLimits
from hogline.sources.routing import Request

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /e/ HTTP/1.1\r\nhost: x\r\n"
SOON = ReceivingLimits(head_s=0.1, body_s=0.1, answer_s=0.1, write_s=0.1, idle_s=0.1, linger_s=0.1)


class Client:
    """One connection, as a stranger holds it."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self):
        self.reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_):
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head + await self.reader.readexactly(length)

    async def everything(self) -> bytes:
        """Until the other side closes."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := await self.reader.read(65_536):
                got += part
        return got


def connected(*parts: bytes, limits: ReceivingLimits = SOON, inbox: Inbox | None = None) -> bytes:
    """All that comes back for these bytes, one after the other with a pause, until the connection is closed."""

    async def conversation(listener):
        async with Client(listener.port) as client:
            for part in parts:
                await client.send(part)
                await asyncio.sleep(0.02)
            async with asyncio.timeout(5):
                answers = await client.everything()
        await gone(listener)
        return answers

    return listening(inbox or Inbox(), conversation, limits)


async def gone(listener) -> None:
    async with asyncio.timeout(5):
        while listener._server.server_state.connections:
            await asyncio.sleep(0.01)


STATES = {
    "nothing was sent": ((), b"408"),
    "half a head": ((b"POST /e/ HT",), b"408"),
    "half a head behind an answer": ((GET, b"POST /e/ HT"), b"408"),
    "half a body": ((POST + b"content-length: 9\r\n\r\n{",), b"408"),
    "a chunk that does not end": ((POST + b"transfer-encoding: chunked\r\n\r\n5\r\nab",), b"408"),
    "an answer, and nothing more": ((GET,), b"200"),
    "an answer, and an empty line": ((GET, b"\r\n"), b"200"),
    "refused before its body": ((b"POST /webhook/wrong HTTP/1.1\r\ncontent-length: 9\r\n\r\n",), b"401"),
    "refused before its body, and one more byte": (
        (b"POST /webhook/wrong HTTP/1.1\r\ncontent-length: 9\r\n\r\n", b"{"),
        b"401",
    ),
    "nonsense": ((b"\x16\x03\x01",), b"400"),
    "nonsense behind a body": ((POST + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",), b"400"),
}


@pytest.mark.parametrize("case", STATES)
def test_a_connection_ends_in_whatever_state_its_sender_leaves_it(case):
    parts, status = STATES[case]
    answers = connected(*parts)
    assert answers.count(b"HTTP/1.1 " + status) == 1


def test_a_sender_that_takes_no_answers_is_cut_off():
    class Talkative:
        async def app(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1_000):
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})

    async def conversation(listener):
        async with Client(listener.port) as client:
            await client.send(GET)
            await gone(listener)

    listening(Talkative(), conversation, ReceivingLimits(write_s=0.1))


def test_an_app_that_does_not_answer_does_not_keep_the_connection():
    class Silent:
        async def app(self, scope, receive, send):
            await receive()
            await asyncio.sleep(0.5)

    assert connected(GET, inbox=Silent()) == b""


def test_an_app_that_reads_no_body_does_not_wait_for_it():
    class Careless:
        async def app(self, scope, receive, send):
            await receive()
            await receive()

    answer = connected(POST + b"content-length: 9\r\n\r\n{", inbox=Careless())
    assert answer.startswith(b"HTTP/1.1 408")


class TestTooMany:
    def test_the_one_that_is_idle_longest_gives_way(self):
        async def conversation(listener):
            async with Client(listener.port) as first, Client(listener.port) as second:
                for client in (first, second):
                    await client.send(GET)
                    assert b" 200 " in await client.answer()
                assert b" 200 " in await talk(listener.port, GET)
                assert await first.everything() == b""
                await second.send(GET)
                return await second.answer()

        assert b" 200 " in listening(Inbox(), conversation, connections=Connections(2, 10))

    def test_so_it_is_for_those_of_one_address(self):
        async def conversation(listener):
            async with Client(listener.port) as first:
                await first.send(b"POST /e/ HT")
                await asyncio.sleep(0.02)
                assert b" 200 " in await talk(listener.port, GET)
                return await first.everything()

        assert listening(Inbox(), conversation, connections=Connections(10, 1)) == b""

    @pytest.mark.parametrize("connections", [(1, 10), (10, 1)])
    def test_while_all_are_busy_a_new_one_is_turned_away(self, connections):
        async def conversation(listener):
            async with Client(listener.port) as busy:
                await busy.send(request()[:-1])
                await asyncio.sleep(0.02)
                turned_away = await talk(listener.port, b"", until_closed=True)
                await busy.send(request()[-1:])
                return turned_away, await busy.answer()

        turned_away, answer = listening(Inbox(), conversation, connections=Connections(*connections))
        assert turned_away.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in turned_away
        assert answer.startswith(b"HTTP/1.1 200 ")

    def test_a_proxy_has_any_number_but_each_of_its_clients_has_not(self):
        async def conversation(listener):
            head = POST + b"x-forwarded-for: 198.51.100.1\r\n"
            async with Client(listener.port) as busy:
                await busy.send(request(head=head)[:-1])
                await asyncio.sleep(0.02)
                same = await talk(listener.port, request(head=head))
                other = await talk(listener.port, request(head=head.replace(b"100.1", b"100.2")))
                await busy.send(request(head=head)[-1:])
                first = await busy.answer()
                await busy.send(request(head=head))
                return [answer.split()[1] for answer in (same, other, first, await busy.answer())]

        proxies = TrustedProxies.parse("127.0.0.1")
        statuses = listening(Inbox(), conversation, proxies=proxies, connections=Connections(10, 1))
        assert statuses == [b"503", b"200", b"200", b"200"]

    def test_files_are_left_for_senders(self):
        assert shares(20_000) == (4_096, 256)
        assert shares(1_024) == (672, 96)
        assert shares(256) == (112, 16)


def test_the_app_is_told_the_clients_address():
    class Told:
        async def app(self, scope, receive, send):
            answer = Request(scope, receive, "", 0).client.encode()
            length = b"%d" % len(answer)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
            await send({"type": "http.response.body", "body": answer})

    async def conversation(listener):
        return await talk(
            listener.port, GET.replace(b"host: x", b"x-forwarded-for: 9.9.9.9\r\nX-Forwarded-For: 198.51.100.1")
        )

    assert listening(Told(), conversation).endswith(b"127.0.0.1")
    assert listening(Told(), conversation, proxies=TrustedProxies.parse("127.0.0.0/8")).endswith(b"198.51.100.1")


class TestOneBudget:
    def test_bodies_beyond_it_are_refused_and_room_comes_back(self):
        budget = Budget(300_000)
        body = json.dumps(captured(properties={"a": "x" * 100_000})).encode()

        async def conversation(listener):
            async with Client(listener.port) as slow, Client(listener.port) as other:
                await slow.send(request(b"x" * 300_000)[:200_000])
                while budget.used_bytes < 150_000:
                    await asyncio.sleep(0.01)
                await other.send(request(body))
                refused = await other.answer()
                small = await talk(listener.port, request())
            await gone(listener)
            return refused, small, await talk(listener.port, request(body))

        refused, small, later = listening(Inbox(), conversation, budget=budget)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in refused
        assert small.startswith(b"HTTP/1.1 200 ")
        assert later.startswith(b"HTTP/1.1 200 ")
        assert budget.used_bytes == 0

    def test_a_request_behind_others_gives_back_what_it_had(self):
        budget = Budget()
        listening(Inbox(), lambda listener: talk(listener.port, request() * 9 + request()[:-3]), budget=budget)
        assert budget.used_bytes == 0


class TestOneAfterTheOther:
    def test_trailers_are_no_headers(self):
        class Told:
            async def app(self, scope, receive, send):
                while (await receive()).get("more_body"):
                    pass
                names = b",".join(name for name, _ in scope["headers"])
                length = b"%d" % len(names)
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
                await send({"type": "http.response.body", "body": names})

        chunked = POST + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nauthorization: Bearer x\r\n\r\n"
        answer = listening(Told(), lambda listener: talk(listener.port, chunked))
        assert answer.endswith(b"host,transfer-encoding")

    def test_trailers_without_end_are_refused(self):
        chunked = POST + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: bbbbbbbbbb\r\n" * 4_000
        assert b" 431 " in connected(chunked)

    @pytest.mark.parametrize(
        "begin",
        [
            b"GET /e/ HTTP/1.1\r\na: ",
            POST + b"transfer-encoding: chunked\r\n\r\n1;",
            POST + b"transfer-encoding: chunked\r\n\r\n0\r\na: ",
        ],
    )
    def test_a_line_without_end_is_refused(self, begin):
        assert b" 431 " in connected(begin + b"b" * 1_000_000, limits=ReceivingLimits(linger_s=0.1))

    @pytest.mark.parametrize(
        ("second", "status"),
        [
            (b"GET /e/ HTTP/9.9\r\n\r\n", b"400"),
            (b"GET /e/ HTTP/1.1\r\na: " + b"b" * 40_000 + b"\r\nb: c\r\n", b"431"),
            (b"GET /" + b"a" * 70_000, b"414"),
            (b"GET /e/ HT", b"408"),
            (POST + b"content-length: 9\r\n\r\n{", b"408"),
        ],
    )
    def test_what_is_refused_does_not_swallow_the_answer_before_it(self, second, status):
        inbox = Inbox()
        append = inbox.journal.append

        async def slowly(events, refused=None):
            await asyncio.sleep(0.05)
            return await append(events, refused)

        inbox.journal.append = slowly
        answers = connected(
            request() * 2 + second, inbox=inbox, limits=ReceivingLimits(head_s=0.2, body_s=0.2, linger_s=0.1)
        )
        assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200", status]
        assert len(inbox.journal.events) == 2

    def test_no_more_than_some_wait_on_one_connection(self):
        inbox = Inbox()
        answers = connected(GET * 5_000, inbox=inbox, limits=ReceivingLimits(linger_s=0.1))
        assert answers.count(b"HTTP/1.1 200") == 17
        assert answers.count(b"HTTP/1.1 503") == 1

    def test_who_asks_in_turn_may_ask_for_ever(self):
        async def conversation(listener):
            async with Client(listener.port) as client:
                for _ in range(200):
                    await client.send(request())
                    assert b" 200 " in await client.answer()

        listening(Inbox(), conversation)


def test_an_answer_before_the_end_of_a_large_body_arrives():
    head = b"POST /webhook/wrong HTTP/1.1\r\nhost: x\r\n"
    answer = listening(Inbox(), lambda listener: talk(listener.port, request(b"x" * 3_000_000, head)))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer
    assert TOKEN.encode() not in answer
