"""Putting events into a topic, against the mock cluster that librdkafka brings along."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from hogline.sources.kafka.client import KafkaLog
from hogline.sources.kafka.log import Record, Trouble
from hogline.sources.kafka.writer import AWAY, FULL, KafkaWriter
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


async def test_what_kafka_does_not_take_is_an_error_and_later_it_goes_on(
    writer: KafkaWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def produce(self, *_: object, **__: object) -> None:
            raise self.error

        def poll(self, _: float) -> None:
            time.sleep(0.01)

    good = writer._producer
    monkeypatch.setattr(writer, "_producer", Refuses(BufferError()))
    with pytest.raises(Unwritable, match=FULL):
        await writer.append([b"one"])
    assert writer.trouble is None
    fatal = KafkaError(KafkaError._FATAL, "the epoch is over", fatal=True)
    monkeypatch.setattr(writer, "_producer", Refuses(KafkaException(fatal)))
    for _ in range(2):
        with pytest.raises(Unwritable, match=AWAY):
            await writer.append([b"one"])
        assert writer.trouble is not None
        assert writer.trouble.startswith("Kafka cannot be written to at 127.0.0.1:")
    assert writer._producer is not good
    async with asyncio.timeout(20):
        while writer.trouble is not None:
            await asyncio.sleep(0.01)
    await writer.append([b"one"])


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


async def test_settings_that_librdkafka_does_not_know() -> None:
    with pytest.raises(Trouble, match=r"librdkafka does not accept the settings: .*no\.such\.setting"):
        KafkaWriter("127.0.0.1:9", TOPIC, {"no.such.setting": 1})
