"""Every fault that the network, Customer.io, the disk or the clock can have: what becomes of the events, what is shown,
and that it goes on. The HTTP client, the worker and the store are the real ones; the server is bytes on a socket.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import apsw
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fault_bench import (
    BEGIN_MS,
    PEOPLE,
    Disk,
    FaultBench,
    Operation,
    Reaction,
    Wire,
    bench_in,
    drips,
    faulty_disk,
    hangs,
    http,
    resets_after,
    resets_before,
    says,
)

from hogline.testing.processes import hogline, serving

pytestmark = pytest.mark.anyio

EACH = 4
ALL = EACH * len(PEOPLE)
IN_ORDER = {who: list(range(EACH)) for who in PEOPLE}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[FaultBench]:
    async with bench_in(tmp_path) as made:
        yield made


class Held:
    """An answer that waits until the test has looked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
        self.asked.set()
        await self.go.wait()
        await wire.otherwise(wire, writer, operations)


async def assert_waits_and_recovers(bench: FaultBench, held: Held, faults: int, reason: str, status: str) -> None:
    """While the fault lasts nothing is lost and the status says why; afterwards all is delivered in order."""
    await bench.receive_from_all(0, EACH)
    async with asyncio.timeout(15):
        await held.asked.wait()
    seen = await bench.status()
    assert (seen.state, seen.delivered, seen.pending, seen.failures) == ("retrying", 0, ALL, {})
    assert reason in seen.reason
    held.go.set()
    after = await bench.until(lambda found: found.pending == 0 and found.state == "delivering")
    assert (after.state, after.reason, after.delivered, after.failures) == ("delivering", None, ALL, {})
    assert after.retries == {status: faults}
    assert bench.wire.by_person() == IN_ORDER


UNREADABLE = "cannot read"
TEMPORARY: dict[str, tuple[Reaction, str, str]] = {
    "a reset before the request": (resets_before, "closed before an answer", "unreachable"),
    "a reset after the request": (resets_after, "closed before an answer", "unreachable"),
    "an end instead of an answer": (says(b"", ends=True), "closed before an answer", "unreachable"),
    "no HTTP": (says(b"hello, who is there?\r\n\r\n", ends=True), "no HTTP", "unreachable"),
    "an answer cut short": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{", ends=True, took_effect=True), "cut off", "unreachable",
    ),
    "a chunked answer cut short": (
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{", ends=True), "cut off", "unreachable",
    ),
    "gzip that is none": (
        says(http(200, b"{}", content_encoding="gzip")), "Customer.io cannot be reached", "unreachable",
    ),
    "200 with a page": (says(http(200, b"<html>welcome</html>"), took_effect=True), UNREADABLE, "200"),
    "200 with half a JSON": (says(http(200, b'{"errors": [')), UNREADABLE, "200"),
    "200 with bytes": (says(http(200, bytes(range(256)))), UNREADABLE, "200"),
    "207 without a body": (says(http(207, b"")), UNREADABLE, "207"),
    **{
        str(status): (says(http(status, b"busy")), f"returned {status}", str(status))
        for status in (408, 425, 429, 500, 502, 503, 504, 522, 524, 599)
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPORARY)
async def test_a_fault_that_may_pass_costs_time_and_nothing_else(bench: FaultBench, name: str) -> None:
    fault, reason, status = TEMPORARY[name]
    held = Held()
    bench.wire.script = [fault, fault, held]
    await assert_waits_and_recovers(bench, held, 2, reason, status)


@pytest.mark.parametrize("fault", [drips, hangs], ids=["a response that drips", "no response"])
async def test_a_server_that_never_comes_to_an_end_is_given_up_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Reaction
) -> None:
    monkeypatch.setattr("hogline.delivery.client.ANSWER_TIMEOUT_S", 0.3)
    async with bench_in(tmp_path) as bench:
        held = Held()
        bench.wire.script = [fault, held]
        await assert_waits_and_recovers(bench, held, 1, "no answer within the time limit", "unreachable")


# Where no connection comes about: the first deliveries go to an address that has the fault.


def nobody() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def crowded() -> Iterator[str]:
    """A port that lets nobody in: its queue is full."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(bound.getsockname())
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


def unknown() -> Iterator[str]:
    yield "https://nobody.invalid"


@pytest.mark.parametrize(
    ("address", "reason"),
    [(nobody, "no connection"), (unknown, "the host name is unknown"), (crowded, "no connection within")],
    ids=["refused connection", "unknown host", "connect timeout"],
)
async def test_an_address_where_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: Callable[[], Iterator[str]], reason: str
) -> None:
    monkeypatch.setattr("hogline.delivery.client.CONNECT_TIMEOUT_S", 0.3)
    async with bench_in(tmp_path) as bench:
        held = Held()
        with contextmanager(address)() as url:
            bench.detours = [url]
            bench.wire.script = [held]
            await assert_waits_and_recovers(bench, held, 1, reason, "unreachable")


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("speaks_tls", [True, False], ids=["self-signed certificate", "no TLS at all"])
async def test_a_server_that_is_not_trusted_gets_nothing(
    bench: FaultBench, tmp_path: Path, *, speaks_tls: bool
) -> None:
    got = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read(2**16))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    context = self_signed(tmp_path) if speaks_tls else None
    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    async with server:
        held = Held()
        bench.detours = [f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"]
        bench.wire.script = [held]
        reason = "certificate is not trusted" if speaks_tls else "no secure connection"
        await assert_waits_and_recovers(bench, held, 1, reason, "unreachable")
    assert b"person" not in got
    assert b"authorization" not in got.lower()


# How long is waited


def in_seconds(seconds: float) -> str:
    """A date, as `Retry-After` may name one, when the bench's clock stands at its beginning."""
    return format_datetime(datetime.fromtimestamp(BEGIN_MS / 1_000 + 1_000 + seconds, UTC), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 8),
        ("0", 0, 1),
        ("-5", 0, 1),
        ("99999999999999999999", 3_600, 3_601),
        ("1e3", 0, 1),
        ("soon", 0, 1),
        ("", 0, 1),
        ("٣", 0, 1),
        (in_seconds(90), 89, 91),
        (in_seconds(-90), 0, 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600, 3_601),
        ("Thu, 99 Foo 2026 25:61:61 GMT", 0, 1),
    ],
    ids=["seconds", "none", "negative", "absurd", "a float", "words", "empty", "other digits", "date", "past date",
         "absurd date", "no date"],
)  # fmt: skip
async def test_every_kind_of_retry_after(bench: FaultBench, status: int, text: str, least: float, most: float) -> None:
    answer = http(status, b"{}", retry_after="WHEN").replace(b"WHEN", text.encode())
    bench.wire.script = [says(answer)]
    await bench.receive_from_all(0, 1)
    await bench.until(lambda found: found.pending == 0)
    first, second = bench.wire.arrived_s[:2]
    assert least <= second - first <= most


# What is said of operations


def refuses(person: str, answer: bytes) -> Reaction:
    """Gives this answer to every request with something of that person, who gets nothing."""

    async def answered(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
        theirs = [one for one in operations if one["identifiers"] == {"id": person}]
        if theirs:
            if b" 207 " in answer[:20] or b" 200 " in answer[:20]:
                wire.take([one for one in operations if one not in theirs])
            writer.write(answer)
        else:
            wire.take(operations)
            writer.write(http(200))

    return answered


def errors(**fields: object) -> bytes:
    return msgspec.json.encode({"errors": [{"reason": "invalid", "field": "f", "message": "No."} | fields]})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http(400, errors()), "invalid"),
        (http(400, b"<html>"), "refused_400"),
        (http(413, b""), "refused_413"),
        (http(422, b'{"meta": {"error": "No."}}'), "refused_422"),
        (http(207, errors(batch_index=10_000)), "invalid"),
        (http(207, errors(batch_index=-1)), "invalid"),
        (http(207, errors(batch_index="0")), "invalid"),
        (http(207, errors(batch_index=True)), "invalid"),
        (http(207, errors()), "invalid"),
        (http(200, errors(batch_index=2**70)), "invalid"),
        (http(200, b'{"errors": ["No."]}'), "refused_200"),
    ],
    ids=["400", "400 with a page", "413", "422", "207 beyond the end", "207 negative", "207 with text",
         "207 with true", "207 without an index", "200 beyond the end", "200 with a sentence"],
)  # fmt: skip
async def test_what_is_refused_without_saying_which_is_halved_until_the_culprits_are_alone(
    bench: FaultBench, answer: bytes, reason: str
) -> None:
    bench.wire.otherwise = refuses("person-3", answer)
    await bench.receive_from_all(0, EACH)
    status = await bench.until(lambda found: found.pending == 0)
    assert (status.state, status.delivered, status.failures) == ("delivering", ALL - EACH, {reason: EACH})
    assert bench.wire.by_person() == {who: ns for who, ns in IN_ORDER.items() if who != "person-3"}
    failures = await bench.service.failures.find("customerio")
    assert {failure.distinct_id for failure in failures} == {"person-3"}


async def test_one_culprit_costs_at_most_twice_the_logarithm_in_requests(bench: FaultBench) -> None:
    def is_culprit(one: Operation) -> bool:
        return bool(one["action"] == "event" and (one["identifiers"]["id"], one["attributes"]["n"]) == ("person-3", 2))

    async def answered(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
        writer.write(http(400 if any(map(is_culprit, operations)) else 200))

    bench.wire.otherwise = answered
    await bench.receive_from_all(0, EACH)
    status = await bench.until(lambda found: found.pending == 0)
    assert (status.delivered, status.failures) == (ALL - 1, {"refused_400": 1})
    halved = next(operations for operations in bench.wire.requests if any(map(is_culprit, operations)))
    shipments = sum(len(one) > len(halved) // 2 for one in bench.wire.requests)
    assert len(bench.wire.requests) - shipments <= 2 * (len(halved) - 1).bit_length()


@pytest.mark.parametrize("status", [200, 207])
async def test_errors_in_a_success_refuse_those_operations_and_no_other(bench: FaultBench, status: int) -> None:
    async def answered(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
        bad = [n for n, one in enumerate(operations) if one["action"] == "event" and one["attributes"]["n"] == 1]
        wire.take([one for n, one in enumerate(operations) if n not in bad])
        found = [{"batch_index": n, "reason": "invalid", "message": "No."} for n in (*bad, *bad)]  # repeated, too
        writer.write(http(status, msgspec.json.encode({"errors": found})))

    bench.wire.otherwise = answered
    await bench.receive_from_all(0, EACH)
    found = await bench.until(lambda found: found.pending == 0)
    assert (found.delivered, found.failures) == (ALL - len(PEOPLE), {"invalid": len(PEOPLE)})
    assert bench.wire.by_person() == {who: [0, 2, 3] for who in PEOPLE}


@pytest.mark.parametrize(
    "answer", [http(204, b""), http(200, b""), http(200, b" \n"), http(201, b"{}"), http(202, gzip.compress(b"{}"), content_encoding="gzip")],
    ids=["204", "200 empty", "200 blank", "201", "202 gzipped"],
)  # fmt: skip
async def test_a_success_in_other_words_is_one(bench: FaultBench, answer: bytes) -> None:
    bench.wire.otherwise = says(answer, took_effect=True)
    await bench.receive_from_all(0, EACH)
    status = await bench.until(lambda found: found.pending == 0)
    assert (status.state, status.delivered, status.retries) == ("delivering", ALL, {})
    assert bench.wire.by_person() == IN_ORDER


# What stops a connection


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404])
async def test_a_wrong_configuration_stops_the_connection_within_one_request_until_it_is_resumed(
    bench: FaultBench, status: int
) -> None:
    bench.wire.otherwise = says(http(status, b"{}", location="https://elsewhere.invalid/"))
    await bench.receive_from_all(0, EACH)
    stopped = await bench.until(lambda found: found.state == "stopped")
    assert str(status) in stopped.reason
    assert (stopped.pending, stopped.failures, stopped.delivered) == (ALL, {}, 0)
    assert len(bench.wire.requests) == 1
    assert await bench.service.status.problems() == [f"customerio: {stopped.reason}"]

    await bench.receive_from_all(EACH, EACH + 1)
    await bench.restart()
    assert (await bench.status()).state == "stopped"
    assert len(bench.wire.requests) == 1

    bench.wire.otherwise = Wire().otherwise
    await bench.service.connections.resume("customerio")
    after = await bench.until(lambda found: found.pending == 0)
    assert (after.state, after.delivered, after.failures) == ("delivering", ALL + len(PEOPLE), {})
    assert bench.wire.by_person() == {who: list(range(EACH + 1)) for who in PEOPLE}


async def test_an_answer_without_end_stays_within_memory(bench: FaultBench) -> None:
    held = Held()
    bench.wire.script = [says(http(200, b'{"a": "' + b"x" * 5_000_000)), held]
    await assert_waits_and_recovers(bench, held, 1, UNREADABLE, "200")


# The disk

WEBHOOK = {
    "event": {
        "event": "clicked",
        "distinct_id": "new",
        "properties": {"n": 0},
        "uuid": "0199f3a0-0000-7000-8000-000000000001",
    }
}
DISK = {
    "full disk": (apsw.FullError, {"write", "sync"}, "is full"),
    "read-only disk": (apsw.ReadOnlyError, {"write", "sync"}, "Cannot write to the data directory"),
    "EIO on write": (apsw.IOError, {"write"}, "failing"),
    "EIO on sync": (apsw.IOError, {"sync"}, "failing"),
}


@pytest.fixture
def disk() -> Iterator[Disk]:
    with faulty_disk() as made:
        yield made


@pytest.mark.parametrize("name", DISK)
async def test_a_disk_that_takes_nothing_is_never_answered_with_2xx_and_it_goes_on_by_itself(
    tmp_path: Path, disk: Disk, name: str
) -> None:
    trouble, fails, reason = DISK[name]
    async with bench_in(tmp_path, disk.name) as bench:
        held = Held()
        bench.wire.script = [held]
        await bench.receive_from_all(0, EACH)
        await held.asked.wait()
        disk.trouble, disk.fails = trouble, fails

        status, headers = await bench.post(WEBHOOK)
        assert status == 503
        assert int(headers[b"retry-after"]) > 0
        held.go.set()
        seen = await bench.until(lambda found: found.state == "retrying")
        assert reason in seen.reason
        assert "canary" not in seen.reason
        assert (seen.pending, seen.failures) == (ALL, {})

        disk.trouble = None
        after = await bench.until(lambda found: found.pending == 0 and found.state == "delivering")
        assert (after.state, after.reason, after.delivered) == ("delivering", None, ALL)
        assert (await bench.post(WEBHOOK))[0] == 200
        await bench.until(lambda found: found.delivered == ALL + 1)
    assert {who: bench.wire.by_person()[who] for who in PEOPLE} == IN_ORDER


@pytest.mark.parametrize("name", DISK)
async def test_stopping_with_a_disk_that_takes_nothing_ends_and_loses_nothing(
    tmp_path: Path, disk: Disk, name: str
) -> None:
    disk_trouble, fails, _ = DISK[name]
    async with bench_in(tmp_path, disk.name) as bench:
        await bench.receive_from_all(0, EACH)
        disk.trouble, disk.fails = disk_trouble, fails
        await bench.until(lambda found: found.state == "retrying" or found.pending == 0)
        await bench.service.close(0)
        disk.trouble = None
        await bench.restart()
        after = await bench.until(lambda found: found.pending == 0)
        assert after.delivered == ALL
    assert bench.wire.by_person() == IN_ORDER


@pytest.mark.parametrize("file", ["journal.db", "state.db"])
async def test_a_database_that_another_program_locks(bench: FaultBench, tmp_path: Path, file: str) -> None:
    bench.journal._written.set_busy_timeout(20)
    bench.state._written.set_busy_timeout(20)
    await bench.receive_from_all(0, 1)
    await bench.until(lambda found: found.pending == 0)
    other = apsw.Connection(str(tmp_path / file))
    other.execute("BEGIN IMMEDIATE")
    if file == "journal.db":
        status, headers = await bench.post(WEBHOOK)
        assert status == 503
        assert b"retry-after" in headers
    else:
        await bench.receive_from_all(1, 2)
        seen = await bench.until(lambda found: found.state == "retrying")
        assert "locked by another program" in seen.reason
    other.execute("ROLLBACK")
    other.close()
    assert (await bench.post(WEBHOOK))[0] == 200
    after = await bench.until(lambda found: found.pending == 0)
    assert (after.state, after.failures) == ("delivering", {})


# The clock, and another process


@pytest.mark.parametrize("first_ms", [3_600_000, -3_600_000], ids=["forth and back", "back and forth"])
async def test_a_clock_that_jumps_an_hour_and_back_changes_nothing(bench: FaultBench, first_ms: int) -> None:
    bench.wire.script = [says(http(503, b"{}"))] * 2
    await bench.receive_from_all(0, 1)
    bench.clock.off_ms = first_ms
    assert (await bench.post(WEBHOOK))[0] == 200
    await bench.receive_from_all(1, 2)
    await bench.housekeeping.once()
    bench.clock.off_ms = 0
    await bench.receive_from_all(2, EACH)
    await bench.housekeeping.once()
    after = await bench.until(lambda found: found.pending == 0)
    assert (after.delivered, after.failures, after.lag_s) == (ALL + 1, {}, 0.0)
    assert {who: bench.wire.by_person()[who] for who in PEOPLE} == IN_ORDER


def test_two_processes_on_one_directory_the_second_is_refused_and_the_first_goes_on(data: Path) -> None:
    with serving(data) as first:
        refused = hogline(data, "serve", code=1)
        assert "already running" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert first.stop() == 0
