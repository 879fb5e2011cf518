"""A real Apache Kafka as a source: real processes, killed and started again, and everything that happens to a topic."""

from __future__ import annotations

import json
import random
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from confluent_kafka import Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from hogline.store.datadir.secrets import Vault
from hogline.testing.kafka import Broker
from hogline.testing.processes import (
    Running,
    all_events,
    assert_adds_up,
    ended,
    environment,
    serving,
    until,
)

PARTITIONS = 3


def row(number: int, name: str) -> bytes:
    fields = {
        "uuid": str(UUID(int=random.getrandbits(122))),
        "event": name,
        "properties": json.dumps({"n": number}),
        "timestamp": "2026-11-01 10:00:00.123456",
        "team_id": 1,
        "project_id": 1,
        "distinct_id": f"user-{number % 5}",
        "elements_chain": "",
        "created_at": "2026-11-01 10:00:00.500000",
        "person_id": str(UUID(int=number % 5)),
        "person_properties": json.dumps({"email": f"user-{number % 5}@example.org"}),
        "person_created_at": "2026-10-01 00:00:00",
        "person_mode": "full",
    }
    return json.dumps(fields).encode()


class Topic:
    """A topic, and a Hogline that reads it."""

    def __init__(self, broker: Broker, name: str, data: Path, customerio: Running, env: dict[str, str]) -> None:
        """`env`: where Hogline keeps everything."""
        self.env = env
        self.broker = broker
        self.name = name
        self.data = data
        self.customerio = customerio
        self.admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
        self.producer = Producer({"bootstrap.servers": broker.address, "log_level": 0})
        self.create()
        self.written = 0

    def create(self) -> None:
        self.admin.create_topics([NewTopic(self.name, PARTITIONS, 1)])[self.name].result(30)

    def create_again(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result(30)
        until(lambda: self.name not in self.admin.list_topics(timeout=5).topics)
        self.create()

    def write(self, many: int) -> None:
        """As PostHog: by the event's uuid, so to any partition."""
        for _ in range(many):
            self.written += 1
            self.producer.produce(self.name, value=row(self.written, self.name), partition=self.written % PARTITIONS)
        assert self.producer.flush(30) == 0

    def delete_all(self) -> None:
        """What is written so far, as retention does."""
        gone = [TopicPartition(self.name, partition, -1) for partition in range(PARTITIONS)]
        for done in self.admin.delete_records(gone).values():
            done.result(30)

    def id(self) -> str:
        return str(self.admin.describe_topics(TopicCollection([self.name]))[self.name].result(10).topic_id)

    def serving(self) -> AbstractContextManager[Running]:
        return serving(self.data, **self.env)

    def connect(self) -> None:
        credentials = ("--site-id", "sandbox-site", "--api-key", "sandbox-key")
        self.run("connect", "customerio", *credentials, "--tracking-endpoint", self.customerio.url)

    def run(self, *arguments: str, code: int = 0) -> str:
        done = ended([*arguments], environment(self.data, **self.env), None)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, (out, err)
        return err if code else out

    def add(self, *more: str, brokers: str = "") -> str:
        where = ("--brokers", brokers or self.broker.address, "--topic", self.name)
        return self.run("source", "add", "kafka", *where, "--project", "1", *more)

    def allow(self, *operations: AclOperation) -> None:
        """Let the broker's user do this with the topic."""
        user, anywhere = f"User:{self.broker.USER}", "*"
        for operation in operations:
            given = (ResourceType.TOPIC, self.name, ResourcePatternType.LITERAL, user, anywhere, operation)
            (done,) = self.admin.create_acls([AclBinding(*given, AclPermissionType.ALLOW)]).values()
            done.result(30)

    def source(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.run("source", "list", "--json"))["sources"][0]
        return found

    def arrived(self) -> list[int]:
        """The numbers of the events that Customer.io has, each as often as it took it."""
        return [event["data"]["n"] for event in all_events(self.customerio.url) if event["name"] == self.name]

    def connection(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.run("status", "--json"))["connections"][0]
        assert_adds_up(found)
        return found


@pytest.fixture
def topic(broker: Broker, customerio: Running, tmp_path: Path, request: pytest.FixtureRequest) -> Topic:
    """By its parameter, on files or on PostgreSQL."""
    env = {}
    if getattr(request, "param", "files") == "postgresql":
        env = {"HOGLINE_STORE": request.getfixturevalue("url"), "HOGLINE_SECRET_KEY": Vault.new_key()}
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    made = Topic(broker, name, tmp_path / "data", customerio, env)
    made.connect()
    return made


@pytest.mark.parametrize("topic", ["files", "postgresql"], indirect=True)
def test_killed_at_random_moments_every_event_comes_once(topic: Topic) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chosen = random.Random(seed)
    topic.write(10)
    said = topic.add()
    assert "It begins when `hogline serve` runs." in said
    for _ in range(6):
        with topic.serving() as running:
            topic.write(1_500)
            before = len(topic.arrived())
            until(lambda before=before: len(topic.arrived()) > before)  # type: ignore[misc]  # its default binds it
            until(lambda: chosen.random() < 0.2)
            running.kill()
    with topic.serving() as running:
        until(lambda: len(set(topic.arrived())) == 9_000)
        until(lambda: topic.connection()["pending"] == 0)
        connection = topic.connection()
        assert running.stop() == 0
    assert set(topic.arrived()) == set(range(11, 9_011)), seed
    assert connection["received"] == connection["delivered"] == 9_000, seed
    assert topic.source()["settled"] == 9_000


def test_each_persons_events_come_in_order_whatever_their_partitions(topic: Topic) -> None:
    begin_ms = time.time_ns() // 1_000_000 - 60_000
    for number in range(1, 6_001):
        partition = random.randrange(PARTITIONS)
        topic.producer.produce(topic.name, row(number, topic.name), partition=partition, timestamp=begin_ms + number)
    assert topic.producer.flush(30) == 0
    topic.add("--since", datetime.fromtimestamp(begin_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    with topic.serving() as running:
        until(lambda: len(topic.arrived()) == 6_000)
        assert running.stop() == 0
    for person in range(5):
        numbers = [number for number in topic.arrived() if number % 5 == person]
        assert numbers == sorted(numbers)


def test_a_broker_that_restarts_is_waited_for(topic: Topic) -> None:
    topic.add()
    with topic.serving() as running:
        topic.write(100)
        until(lambda: len(topic.arrived()) == 100)
        topic.broker.stop()
        until(lambda: topic.source()["state"] == "retrying")
        assert "Kafka cannot be read at" in topic.source()["reason"]
        topic.broker.start()
        topic.write(100)
        until(lambda: len(topic.arrived()) == 200)
        assert topic.source()["state"] == "reading"
        assert topic.source()["gaps"] == []
        assert topic.connection()["received"] == 200
        assert running.stop() == 0


def test_what_was_deleted_before_it_was_read_is_told_and_the_rest_is_read(topic: Topic) -> None:
    topic.add()
    with topic.serving() as running:
        topic.write(30)
        until(lambda: len(topic.arrived()) == 30)
        running.kill()
    topic.write(60)
    topic.delete_all()
    topic.write(30)
    with topic.serving() as running:
        until(lambda: len(topic.arrived()) == 60)
        source = topic.source()
        assert sum(gap["records"] for gap in source["gaps"]) == 60
        assert "Kafka deleted 60 records" in source["missed"]
        assert "Kafka deleted 60 records" in " ".join(topic.run("status").split())
        assert "Kafka deleted 60 records" in " ".join(topic.run("doctor").split())
        assert topic.run("source", "dismiss", "kafka") == "Dismissed what kafka missed.\n"
        assert topic.source()["missed"] == ""
        assert running.stop() == 0
    assert set(topic.arrived()) == {*range(1, 31), *range(91, 121)}


def test_a_topic_that_was_created_again_stops_it(topic: Topic) -> None:
    topic.add()
    with topic.serving() as running:
        topic.write(30)
        until(lambda: len(topic.arrived()) == 30)
        topic.create_again()
        topic.write(60)
        until(lambda: topic.source()["state"] == "stopped")
        topic.add()
        until(lambda: set(topic.arrived()) == set(range(1, 91)))
        until(lambda: topic.connection()["pending"] == 0)
        assert topic.source()["state"] == "reading"
        assert "an unknown number of records" in topic.source()["missed"]
        assert running.stop() == 0


def test_sasl(topic: Topic, tmp_path: Path) -> None:
    settings = tmp_path / "kafka.properties"
    settings.write_text("".join(f"{name}={value}\n" for name, value in topic.broker.sasl.items()))
    wrong = tmp_path / "wrong.properties"
    wrong.write_text(settings.read_text().replace(topic.broker.PASSWORD, "hunter22"))
    with pytest.raises(AssertionError) as refused:
        topic.add("--settings", str(wrong), brokers=topic.broker.sasl_address)
    assert "Authentication failed" in str(refused.value)
    assert "hunter22" not in str(refused.value)
    topic.allow(AclOperation.DESCRIBE, AclOperation.READ)  # and nothing with the group
    topic.add("--settings", str(settings), brokers=topic.broker.sasl_address)
    assert topic.broker.PASSWORD not in (topic.data / "sources.json").read_text()
    with topic.serving() as running:
        topic.write(10)
        until(lambda: len(topic.arrived()) == 10)
        assert running.stop() == 0
