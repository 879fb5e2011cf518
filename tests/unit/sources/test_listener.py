"""HTTP on a real port: limits of a request's head, and how a listener starts and stops."""

# mypy: allow-untyped-defs, allow-untyped-calls

import asyncio
import contextlib
import json
import logging
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receiving import TOKEN, Inbox, captured

from hogline.sources.limits import ReceivingLimits
from hogline.sources.server import Listener

EVENT = json.dumps(captured()).encode()


def request(body: bytes = EVENT, head: bytes = b"POST /e/ HTTP/1.1\r\nhost: x\r\n") -> bytes:
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


async def talk(port: int, *parts: bytes, until_closed: bool = False) -> bytes:
    """What comes back for these bytes: one answer, or all until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        answer = b""
        with contextlib.suppress(ConnectionError):
            if until_closed:
                return await reader.read()
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return answer + await reader.readexactly(length)
        return answer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def listening(inbox, conversation, limits=None, **options):
    """Run a conversation with the inbox on a port."""

    async def run():
        async with Listener(inbox.app, "127.0.0.1", 0, limits=limits or ReceivingLimits(), **options) as listener:
            return await conversation(listener)

    return asyncio.run(run())


def test_events_arrive_on_a_port_of_the_systems_choice():
    inbox = Inbox()
    answer = listening(inbox, lambda listener: talk(listener.port, request()))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"status":1}')
    assert inbox.event.name == "order completed"


def test_several_requests_share_a_connection():
    inbox = Inbox()
    close = request(head=b"POST /e/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n")
    answers = listening(inbox, lambda listener: talk(listener.port, request() * 2 + close, until_closed=True))
    assert answers.count(b"HTTP/1.1 200 ") == 3
    assert len(inbox.journal.events) == 3


HEADS = {
    "too many headers": (b"POST /e/ HTTP/1.1\r\n" + b"a: b\r\n" * 200, 431, b"more than 100 headers"),
    "too long headers": (b"POST /e/ HTTP/1.1\r\na: " + b"b" * 40_000 + b"\r\n", 431, b"32,768 bytes"),
    "headers too long together": (b"POST /e/ HTTP/1.1\r\n" + (b"a: " + b"b" * 900 + b"\r\n") * 60, 431, b"32,768"),
    "too long an address": (b"GET /e/?data=" + b"a" * 70_000 + b" HTTP/1.1\r\n", 414, b"65,536 bytes"),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_is_too_large_is_refused_with_a_sentence(case):
    head, status, words = HEADS[case]
    inbox = Inbox()
    answer = listening(inbox, lambda listener: talk(listener.port, head + b"\r\n", until_closed=True))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert words in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_a_head_that_does_not_come_is_408():
    limits = ReceivingLimits(head_s=0.02)
    for beginning in (b"", b"POST /e/ HTTP/1.1\r\na: ", request() + b"POST"):
        answer = listening(Inbox(), lambda listener, b=beginning: talk(listener.port, b, until_closed=True), limits)
        assert b"HTTP/1.1 408 " in answer
        assert b"did not arrive within 0.02 seconds" in answer


def test_a_body_that_is_too_large_is_read_to_its_end_so_that_the_answer_arrives():
    inbox = Inbox()
    body = b"x" * 5_000_000
    answer = listening(inbox, lambda listener: talk(listener.port, request(body)))
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(nonsense, caplog):
    answer = listening(Inbox(), lambda listener: talk(listener.port, nonsense, until_closed=True))
    assert answer.startswith(b"HTTP/1.1 4")


def test_stopping_answers_what_is_open_and_accepts_nothing_more():
    inbox = Inbox()

    async def conversation():
        listener = Listener(inbox.app, "127.0.0.1", 0)
        await listener.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        whole = request()
        writer.write(whole[:-5])
        idle = await asyncio.open_connection("127.0.0.1", listener.port)
        await talk(listener.port, request())  # by now the others are accepted
        stopping = asyncio.create_task(listener.stop())
        assert await idle[0].read() == b""
        writer.write(whole[-5:])
        answer = await reader.read()
        await stopping
        await listener.stop()
        for each in (writer, idle[1]):
            each.close()
            await each.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)
        return answer

    assert asyncio.run(conversation()).startswith(b"HTTP/1.1 200 ")
    assert len(inbox.journal.events) == 2


def test_what_takes_too_long_to_stop_is_told_to_come_again(caplog):
    caplog.set_level(logging.CRITICAL)

    async def conversation(listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(request()[:-5])
        await talk(listener.port, request())
        await listener.stop()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    answer = listening(Inbox(), conversation, stop_s=0)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after" in answer


def test_an_address_in_use_is_an_oserror():
    async def conversation(listener):
        with pytest.raises(OSError):
            await Listener(Inbox().app, "127.0.0.1", listener.port).start()

    listening(Inbox(), conversation)


def test_answers_do_not_wait_for_acknowledgements():
    async def conversation(listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(request())
        await reader.readuntil(b"\r\n\r\n")
        (connection,) = listener._server.server_state.connections
        no_delay = connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()
        return no_delay

    assert listening(Inbox(), conversation)


def test_stopping_before_starting_does_nothing():
    asyncio.run(Listener(Inbox().app, "127.0.0.1", 0).stop())


@given(st.lists(st.binary(max_size=60), max_size=3))
@settings(max_examples=5, deadline=None)
def test_arbitrary_bytes_in_a_body_never_get_a_5xx(bodies):
    inbox = Inbox()

    async def conversation(listener):
        return [await talk(listener.port, request(body)) for body in bodies]

    for answer in listening(inbox, conversation):
        assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4"))


def test_a_token_in_a_path_may_be_percent_encoded():
    head = b"POST /webhook/" + b"".join(b"%%%02x" % byte for byte in TOKEN.encode()) + b" HTTP/1.1\r\nhost: x\r\n"
    answer = listening(Inbox(), lambda listener: talk(listener.port, request(head=head)))
    assert answer.startswith(b"HTTP/1.1 200 ")


def upgrading(*more: bytes) -> bytes:
    """The head of a request that offers HTTP/2, as Java's HTTP client and `curl --http2` do."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
    return b"POST /e/ HTTP/1.1\r\nhost: x\r\n" + offer + b"".join(more)


CUT = len(request(head=upgrading())) - len(EVENT)


@pytest.mark.parametrize("parts", [(0,), (CUT,), (CUT - 2,), (CUT + 9,), (40, CUT, CUT + 9)], ids=str)
def test_an_offer_of_http_2_does_not_lose_the_body(parts):
    inbox = Inbox()
    whole = request(head=upgrading())
    cut = [whole[start:end] for start, end in zip((0, *parts), (*parts, None), strict=True)]
    answer = listening(inbox, lambda listener: talk(listener.port, *cut))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert inbox.event.name == "order completed"


def test_a_connection_that_offered_http_2_goes_on():
    inbox = Inbox()
    chunked = upgrading(b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(EVENT)) + EVENT + b"\r\n0\r\n\r\n"
    close = request(head=b"POST /e/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n")
    several = request() + request(head=upgrading()) + chunked + close
    answers = listening(inbox, lambda listener: talk(listener.port, several, until_closed=True))
    assert answers.count(b"HTTP/1.1 200 ") == 4
    assert len(inbox.journal.events) == 4


def test_who_offers_http_2_and_wants_to_close_is_closed():
    head = b"POST /e/ HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n"
    answer = listening(Inbox(), lambda listener: talk(listener.port, request(head=head), until_closed=True))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_websocket_is_answered_like_any_other_request():
    head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    assert listening(Inbox(), lambda listener: talk(listener.port, head)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.filterwarnings("default")
def test_a_tunnel_is_nobodys_here(caplog):
    head = b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = listening(Inbox(), lambda listener: talk(listener.port, head, until_closed=True))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_head_that_offers_http_2_has_the_same_limits():
    answer = listening(Inbox(), lambda listener: talk(listener.port, upgrading(b"a: %s\r\n\r\n" % (b"x" * 40_000))))
    assert answer.startswith(b"HTTP/1.1 431 ")
