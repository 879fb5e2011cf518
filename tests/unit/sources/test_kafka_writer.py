"""Putting events into a topic, against the mock cluster that librdkafka brings along."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from hogline.sources.kafka.client import KafkaLog
from hogline.sources.kafka.library import Library
from hogline.sources.kafka.log import Record, Trouble
from hogline.sources.kafka.writer import AWAY, FULL, NOTHING, KafkaWriter
from hogline.store.base import Unwritable

pytestmark = pytest.mark.anyio

TOPIC = "hogline"


@pytest.fixture
def cluster() -> Producer:
    """Lives as long as it."""
    made = Producer({"bootstrap.servers": "-", "test.mock.num.brokers": 1, "log_level": 0})
    made.produce("other", b"so that there is a broker")
    made.produce(TOPIC, b"so that there is a topic", partition=1)
    assert made.flush(5) == 0
    return made


@pytest.fixture
def address(cluster: Producer) -> str:
    (broker,) = cluster.list_topics(timeout=5).brokers.values()
    return f"{broker.host}:{broker.port}"


@pytest.fixture
async def writer(address: str) -> AsyncIterator[KafkaWriter]:
    made = KafkaWriter(address, TOPIC, {"group.id": "of another client"}, check_within_s=0.01)  # the mock tells none
    await made.open()
    yield made
    await made.close()


def written(address: str, many: int) -> list[bytes | None]:
    log = KafkaLog(address, TOPIC, {})
    found: list[bytes | None] = []
    log.read_from({0: 0})
    until_s = time.monotonic() + 10
    while len(found) < many and time.monotonic() < until_s:
        found += [one.value for one in log.read(100, 0.05) if isinstance(one, Record)]
    log.close()
    return found


async def test_events_are_in_one_partition_in_their_order_with_counts_of_what_was_refused(
    writer: KafkaWriter, address: str
) -> None:
    assert await writer.append([]) == 0
    await asyncio.gather(*(writer.append([b"%d-%d" % (call, n) for n in range(50)]) for call in range(20)))
    await writer.append([], {"empty": 2})
    assert writer.trouble is None
    found = await asyncio.to_thread(written, address, 1_001)
    assert found == [*(b"%d-%d" % (call, n) for call in range(20) for n in range(50)), b'{"empty":2}']


class Broken:
    """A producer that takes records and keeps none."""

    def __init__(self, error: int) -> None:
        self.error = error
        self.waiting: list[Callable[[KafkaError, None], None]] = []
        self.taken: list[bytes] = []

    def produce(self, _topic: str, value: bytes, *, on_delivery: Callable[[KafkaError, None], None], **_: int) -> None:
        self.taken.append(value)
        self.waiting.append(on_delivery)

    def poll(self, _: float) -> None:
        time.sleep(0.01)
        self.flush(0)

    def flush(self, _: float) -> None:
        while self.waiting:
            self.waiting.pop()(KafkaError(self.error), None)


class Ends(Broken):
    """After a fatal error: it is told once, and what becomes of the records says nothing."""

    def __init__(self) -> None:
        super().__init__(KafkaError._PURGE_QUEUE)

    def poll(self, _: float) -> None:
        time.sleep(0.01)
        if self.waiting:
            raise KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "no id", fatal=True))


async def recovered(writer: KafkaWriter) -> None:
    async with asyncio.timeout(20):
        while writer.trouble is not None:
            await asyncio.sleep(0.01)


async def test_when_more_comes_than_kafka_takes(writer: KafkaWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def produce(self, *_: object, **__: object) -> None:
            raise BufferError

    with monkeypatch.context() as patched:
        patched.setattr(writer, "_producer", Full())
        with pytest.raises(Unwritable, match=FULL):
            await writer.append([b"one"])
    assert writer.trouble is None


async def test_a_fatal_error_ends_a_producer_and_all_that_wait_for_it_are_told(writer: KafkaWriter) -> None:
    ends = Ends()
    writer._begin(cast(Producer, ends))
    async with asyncio.timeout(10):
        told = await asyncio.gather(*(writer.append([b"one", b"two"]) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in told] == [AWAY] * 3
    assert writer.trouble == (
        "Kafka does not allow this user to write to hogline: it needs Describe, Write and IdempotentWrite."
    )
    await recovered(writer)
    writer._library._noted(KafkaError(KafkaError._TRANSPORT, "Connect to b2 failed"))
    assert cast(Ends, writer._producer) is not ends
    await writer.append([b"one"])
    assert "Connect" not in str(writer._library.trouble(KafkaError(KafkaError._MSG_TIMED_OUT)))


async def test_it_is_trouble_until_kafka_takes_a_record(writer: KafkaWriter) -> None:
    good, broken = writer._producer, Broken(KafkaError._MSG_TIMED_OUT)
    writer._begin(cast(Producer, broken))
    with pytest.raises(Unwritable, match=AWAY):
        await writer.append([b"one"])
    async with asyncio.timeout(20):
        while broken.taken.count(NOTHING) < 2:
            assert writer.trouble is not None
            await asyncio.sleep(0.01)
    writer._begin(good)
    await recovered(writer)
    await writer.append([b"one"])


async def test_whatever_goes_wrong_is_tried_again(writer: KafkaWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    went_wrong = asyncio.Event()

    def create() -> None:
        writer._loop.call_soon_threadsafe(went_wrong.set)
        raise KeyError

    with monkeypatch.context() as patched:
        patched.setattr(writer, "create", create)
        writer._wait("Kafka is away.")
        await went_wrong.wait()
    await recovered(writer)


async def test_a_broker_that_is_not_there_is_trouble_until_it_is() -> None:
    writer = KafkaWriter(
        "127.0.0.1:9", TOPIC, {"sasl.password": "hunter22", "socket.connection.setup.timeout.ms": 1_000}
    )
    try:
        with pytest.raises(
            Trouble, match=r"Kafka cannot be written to at 127\.0\.0\.1:9: Connect to 127\.0\.0\.1:9 failed"
        ):
            await asyncio.to_thread(writer.create)
    finally:
        await writer.close()


def test_what_a_broker_answers_is_told_even_if_something_went_wrong_before() -> None:
    library = Library("b1:9092", TOPIC, {}, "written to")
    library._noted(
        KafkaError(
            KafkaError._TRANSPORT,
            "b2:9092/2: Connect to b2 failed (after 0ms in state CONNECT, 30 identical error(s) suppressed)",
        )
    )
    told = [
        str(library.trouble(KafkaError(code, "it is said here")))
        for code in (KafkaError.POLICY_VIOLATION, KafkaError._MSG_TIMED_OUT)
    ]
    assert told == [
        "Kafka cannot be written to at b1:9092: it is said here.",
        "Kafka cannot be written to at b1:9092: Connect to b2 failed.",
    ]
    library.works()
    later = library.trouble(KafkaError(KafkaError._MSG_TIMED_OUT, "it timed out"))
    assert str(later) == "Kafka cannot be written to at b1:9092: it timed out."


async def test_settings_that_librdkafka_does_not_know() -> None:
    with pytest.raises(Trouble, match=r"librdkafka does not accept the settings: .*no\.such\.setting"):
        KafkaWriter("127.0.0.1:9", TOPIC, {"no.such.setting": 1})
