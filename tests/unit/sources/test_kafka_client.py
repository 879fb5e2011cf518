"""librdkafka, against the mock cluster that it brings along."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Producer

from hogline.sources.kafka.client import KafkaLog
from hogline.sources.kafka.library import NotSettings, read_settings
from hogline.sources.kafka.log import End, Ends, Moved, Record, Trouble

TOPIC = "clickhouse_events_json"
PARTITIONS = 4


class Cluster:
    """Lives as long as its producer."""

    def __init__(self) -> None:
        self.producer = Producer({"bootstrap.servers": "-", "test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self.producer.list_topics(timeout=5).brokers.values()
        self.address = f"{broker.host}:{broker.port}"
        self.write(0, b"first", 1_000)

    def write(self, partition: int, value: bytes, time_ms: int) -> None:
        self.producer.produce(TOPIC, value=value, partition=partition, timestamp=time_ms)
        assert self.producer.flush(5) == 0

    def log(self, topic: str = TOPIC) -> KafkaLog:
        return KafkaLog(self.address, topic, {}, id_within_s=0.01)  # the mock knows no ids


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def log(cluster: Cluster) -> Iterator[KafkaLog]:
    opened = cluster.log()
    yield opened
    opened.close()


def read(log: KafkaLog, many: int) -> list[Record | End]:
    found: list[Record | End] = []
    until_s = time.monotonic() + 10
    while len(found) < many and time.monotonic() < until_s:
        found += log.read(100, 0.05)
    return found


def test_what_a_topic_has(log: KafkaLog) -> None:
    described = log.describe()
    assert described.id == ""
    assert described.partitions == {0: Ends(0, 1)} | {one: Ends(0, 0) for one in range(1, PARTITIONS)}


def test_records_come_in_order_with_their_times_and_the_ends_are_told(cluster: Cluster, log: KafkaLog) -> None:
    cluster.write(0, b"second", 2_000)
    cluster.write(1, b"other", 1_500)
    log.read_from({0: 1, 1: 0})
    found = read(log, 4)
    assert {one for one in found if isinstance(one, Record)} == {
        Record(0, 1, 2_000, b"second"),
        Record(1, 0, 1_500, b"other"),
    }
    assert {one for one in found if isinstance(one, End)} == {End(0), End(1)}
    assert log.behind({0: 0, 1: 1}) == 2
    log.note({0: 2})


def test_what_is_paused_is_not_read(cluster: Cluster, log: KafkaLog) -> None:
    log.read_from({0: 0, 1: 0})
    log.pause([1])
    cluster.write(1, b"later", 1)
    assert Record(1, 0, 1, b"later") not in read(log, 2)
    log.resume([1])
    found: list[Record | End] = []
    while Record(1, 0, 1, b"later") not in found:
        found += read(log, 1)


def test_what_was_paused_is_read_if_it_is_read_anew(cluster: Cluster, log: KafkaLog) -> None:
    """As after a new partition, or after a log that was cut back."""
    cluster.write(1, b"other", 1)
    log.read_from({0: 0, 1: 0})
    read(log, 4)
    log.pause([1])
    log.read_from({0: 0, 1: 0})
    assert Record(1, 0, 1, b"other") in read(log, 4)


class Message:
    """What librdkafka says of no partition."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code, "it says")

    def error(self) -> KafkaError:
        return self._error

    def partition(self) -> None:
        return None


class Consumer:
    """What `read` asks, with one answer."""

    def __init__(self, answer: Message) -> None:
        self._answer = answer

    def consume(self, most: int, within_s: float) -> list[Message]:
        del most, within_s
        return [self._answer]

    def poll(self, within_s: float) -> None:
        del within_s

    def close(self) -> None:
        pass


def test_rights_on_the_group_do_not_matter(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_consumer", Consumer(Message(KafkaError.GROUP_AUTHORIZATION_FAILED)))
    assert log.read(1, 0) == []


def test_trouble_of_no_partition_is_a_sentence(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_consumer", Consumer(Message(KafkaError._AUTHENTICATION)))
    with pytest.raises(Trouble, match="it says"):
        log.read(1, 0)


def test_an_offset_that_is_not_there_is_told(log: KafkaLog) -> None:
    log.read_from({0: 99})
    with pytest.raises(Moved):
        read(log, 1)


def test_where_a_time_is(cluster: Cluster, log: KafkaLog) -> None:
    assert log.offsets_at(10**13)[0] in {0, 1}  # the mock has no times: it says the end
    assert set(log.offsets_at(0)) == set(range(PARTITIONS))


def test_a_kafka_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hogline.sources.kafka.client.WITHIN_S", 0.3)
    log = KafkaLog("127.0.0.1:1", TOPIC, {})
    with pytest.raises(Trouble, match=r"^Kafka cannot be read at 127\.0\.0\.1:1: .*(refused|transport).*\.$"):
        log.describe()
    log.close()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"no.such": "x"}, 'librdkafka does not accept the settings: No such configuration property: "no.such".'),
        ({"security.protocol": "hunter22"}, 'Invalid value "…" for configuration property "security.protocol"'),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "librdkafka does not accept the settings: "),
    ],
)
def test_settings_that_librdkafka_does_not_accept(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(Trouble) as raised:
        KafkaLog("127.0.0.1:1", TOPIC, settings)
    assert sentence in str(raised.value)
    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "# as in Kafka's files\nsecurity.protocol = SASL_SSL\n\nssl.ca.pem=one\\ntwo\nsasl.password=a=b",
        '{"security.protocol": "SASL_SSL", "ssl.ca.pem": "one\\ntwo", "sasl.password": "a=b"}',
    ],
)
def test_settings_are_lines_or_json(text: str) -> None:
    assert read_settings(text) == {"security.protocol": "SASL_SSL", "ssl.ca.pem": "one\ntwo", "sasl.password": "a=b"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense", "The settings must be lines of name=value, or a JSON object."),
        ("{nonsense", "The settings are not valid JSON."),
        ('{"a": [1]}', "The setting a must be a string, a number, true or false."),
        ("bootstrap.servers=x", "Hogline chooses bootstrap.servers itself. Remove it from the settings."),
        ("auto.offset.reset=latest", "Hogline chooses auto.offset.reset itself. Remove it from the settings."),
    ],
)
def test_settings_that_cannot_be_used(text: str, sentence: str) -> None:
    with pytest.raises(NotSettings) as raised:
        read_settings(text)
    assert str(raised.value) == sentence


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "confluent_kafka", None)
    with pytest.raises(Trouble, match=r"pip install 'hogline\[kafka\]'"):
        KafkaLog("127.0.0.1:1", TOPIC, {})


def test_a_question_that_fails_while_it_reads_loses_no_record(cluster: Cluster, log: KafkaLog) -> None:
    for number in range(1, 50):
        cluster.write(0, b"%d" % number, 1_000 + number)
    log.read_from({0: 0})
    found = list(log.read(1, 10))
    while len(found) < 50 and not any(isinstance(one, End) for one in found):
        assert str(log._trouble(KafkaError(KafkaError._TIMED_OUT))).startswith("Kafka cannot be read at")
        found += log.read(1, 10)
    assert [one.offset for one in found if isinstance(one, Record)] == list(range(50))
