"""HOGLINE_JOURNAL: received events wait in a real Apache Kafka until the owner of the store takes them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic
from many import Store, names, send

from hogline.store.datadir.secrets import Vault
from hogline.testing.kafka import Broker
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import (
    Running,
    all_events,
    assert_adds_up,
    connect,
    everywhere,
    hogline,
    hogline_json,
    post,
    status,
    until,
)


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:80]


@pytest.fixture
def store(tmp_path: Path, url: str, broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": "3",
        "HOGLINE_JOURNAL": f"kafka://{broker.address}/{topic}",
    }
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.address, "log_level": 0})


def connected(store: Store, customerio: Running) -> str:
    """The token."""
    connect(store.folder / "looking", customerio.url)
    token: str = hogline_json(store.folder / "looking", "token")["token"]
    return token


def source(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = hogline_json(store.folder / "looking", "source", "list")["sources"][0]
    return found


def arrived(customerio: Running, name: str) -> list[int]:
    return [event["data"]["n"] for event in all_events(customerio.url) if event["name"] == name]


class Sender:
    """Sends numbered events until it is told to stop, and knows which were answered with 200."""

    def __init__(self, receivers: Callable[[], list[Running]], token: str, name: str) -> None:
        self.answered: list[int] = []
        self._receivers, self._token, self._name = receivers, token, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.01):
            if not (receivers := self._receivers()):
                continue
            some = list(range(number, number + 20))
            batch = [{"event": self._name, "distinct_id": f"u{n % 7}", "properties": {"n": n}} for n in some]
            try:
                receiver = random.choice(receivers)
                if post(f"{receiver.url}/batch", {"api_key": self._token, "batch": batch}, self._token) == 200:
                    self.answered += some
            except (HTTPError, OSError):
                pass
            number += 20


def test_what_receivers_get_goes_through_kafka_into_the_store(
    store: Store, customerio: Running, topic: str, admin: AdminClient
) -> None:
    said = hogline(store.folder / "looking", "store", "create").stderr
    assert said == "The tables are there.\nThe topic is there.\n"
    token = connected(store, customerio)
    with store.serving("a", "receive") as one, store.serving("b", "receive") as other:
        assert send(one, token, "before anybody delivers") == 200
        with store.serving("owner", "deliver") as owner:
            assert send(other, token, "beside") == 200
            large = {"event": "large", "distinct_id": "ada", "properties": {"text": "x" * 900_000}}
            assert post(f"{one.url}/webhook", large, token) == 200
            with pytest.raises(HTTPError) as refused:
                post(f"{one.url}/webhook", {"event": "nobody's"}, token)
            refused.value.close()
            until(lambda: {"before anybody delivers", "beside"} <= names(customerio))
            until(lambda: status(store.folder / "looking")["failures"] == {"event_too_large": 1})  # at Customer.io
            until(lambda: hogline_json(store.folder / "looking", "status")["refused"] == {"distinct_id_missing": 1})
            found = source(store)
            assert (found["name"], found["state"], found["settled"], found["ours"]) == ("journal", "reading", 3, True)
            assert "HOGLINE_JOURNAL" in hogline(store.folder / "looking", "source", "remove", "journal", code=1).stderr
            assert owner.stop() == 0
        assert one.stop() == 0
        assert other.stop() == 0
    assert list(admin.list_topics(topic, timeout=10).topics[topic].partitions) == [0]
    (config,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    assert config.result(10)["retention.ms"].value == "-1"


def test_one_process_for_all_puts_them_there_too(store: Store, customerio: Running) -> None:
    token = connected(store, customerio)
    with store.serving("all") as running:
        for _ in range(2):
            event = {"event": "twice", "distinct_id": "ada", "uuid": "0199f3a0-0000-7000-8000-000000000001"}
            assert post(f"{running.url}/webhook", event, token) == 200
        until(lambda: status(store.folder / "looking")["delivered"] == 2)
        assert status(store.folder / "looking")["adjusted"] == {"repeated": 1}
        assert source(store)["settled"] == 2
        assert running.stop() == 0


def test_what_receivers_put_into_kafka_is_taken_by_processes_that_do_not_have_the_setting(
    store: Store, customerio: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = connected(store, customerio)
    with store.serving("a", "receive") as receiver:
        assert send(receiver, token, "early") == 200
        del store.env["HOGLINE_JOURNAL"]
        monkeypatch.delitem(everywhere, "HOGLINE_JOURNAL")
        with store.serving("owner", "deliver"):
            until(lambda: "early" in names(customerio))
            assert source(store)["state"] == "reading"
            assert (
                "receivers put events into journal"
                in hogline(store.folder / "looking", "source", "remove", "journal", code=1).stderr
            )


def test_while_postgresql_is_away_events_are_received(store: Store, customerio: Running, postgresql: Server) -> None:
    token = connected(store, customerio)
    with store.serving("a", "receive") as receiver, store.serving("owner", "deliver"):
        assert send(receiver, token, "before") == 200
        postgresql.stop("immediate")
        try:
            for n in range(20):
                assert send(receiver, token, f"meanwhile {n}") == 200
        finally:
            postgresql.start()
        until(lambda: {"before", *(f"meanwhile {n}" for n in range(20))} <= names(customerio))
        until(lambda: status(store.folder / "looking")["delivered"] == 21)


def test_while_kafka_is_away_senders_are_told_to_come_again(
    store: Store, customerio: Running, broker: Broker, topic: str
) -> None:
    token = connected(store, customerio)
    with store.serving("a", "receive") as receiver, store.serving("owner", "deliver"):
        with Sender(lambda: [receiver], token, topic) as sender:
            for _ in range(2):
                before = len(sender.answered)
                until(lambda before=before: len(sender.answered) > before + 100)  # type: ignore[misc]  # its default binds it
                broker.stop()
                try:
                    until(lambda: send(receiver, token, "meanwhile") == 503)
                    with pytest.raises(HTTPError) as refused:
                        post(f"{receiver.url}/webhook", {"event": "meanwhile", "distinct_id": "ada"}, token)
                    with refused.value as answer:
                        assert int(answer.headers["retry-after"]) > 0
                        assert "Kafka does not take events now" in answer.read().decode()
                    until(lambda: source(store)["state"] == "retrying")
                finally:
                    broker.start()
                until(lambda: send(receiver, token, "after") == 200)
        until(lambda: set(sender.answered) <= set(arrived(customerio, topic)))
        until(lambda: status(store.folder / "looking")["pending"] == 0)
        assert receiver.stop() == 0
    assert source(store)["gaps"] == []


def test_killed_at_random_moments_every_answered_event_is_there_in_order(
    store: Store, customerio: Running, topic: str
) -> None:
    token = connected(store, customerio)
    alive: list[Running] = []
    with Sender(lambda: list(alive), token, topic) as sender:
        for turn in range(4):
            with store.serving("a", "receive") as one, store.serving("b", "receive") as other:
                alive[:] = [one, other]
                with store.serving(f"owner {turn % 2}", "deliver") as owner:
                    before = len(sender.answered)
                    until(lambda before=before: len(sender.answered) > before + 500)  # type: ignore[misc]  # its default binds it
                    until(lambda: random.random() < 0.2)
                    one.kill()
                    owner.kill()
                until(lambda: random.random() < 0.2)
                alive[:] = []
                other.kill()
    with store.serving("owner", "deliver") as owner:
        until(lambda: set(sender.answered) <= set(arrived(customerio, topic)))
        until(lambda: source(store)["behind"] == 0 and status(store.folder / "looking")["pending"] == 0)
        found = status(store.folder / "looking")
        assert owner.stop() == 0
    assert_adds_up(found)
    # What was not answered may be there, too.
    numbers = list(dict.fromkeys(arrived(customerio, topic)))
    assert found["received"] == len(numbers)
    for person in range(7):
        theirs = [n for n in numbers if n % 7 == person]
        assert theirs == sorted(theirs)


def test_what_kafka_lost_is_told_and_the_rest_is_taken(
    store: Store, customerio: Running, topic: str, admin: AdminClient
) -> None:
    token = connected(store, customerio)
    with store.serving("a", "receive") as receiver:
        with store.serving("owner", "deliver") as owner:
            assert send(receiver, token, "taken") == 200
            until(lambda: "taken" in names(customerio))
            assert owner.stop() == 0
        for _ in range(3):
            assert send(receiver, token, "deleted") == 200
        for done in admin.delete_records([TopicPartition(topic, 0, -1)]).values():
            done.result(30)
        with store.serving("owner", "deliver"):
            assert send(receiver, token, "later") == 200
            until(lambda: "later" in names(customerio))
            assert "Kafka deleted 3 records" in source(store)["missed"]
            assert "`hogline backfill`" in source(store)["missed"]
            hogline(store.folder / "looking", "source", "dismiss", "journal")
            assert source(store)["missed"] == ""
            admin.delete_topics([topic])[topic].result(30)
            until(lambda: topic not in admin.list_topics(timeout=5).topics)
            admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "5000000"})])[topic].result(30)
            until(lambda: send(receiver, token, "in another") == 200)
            until(lambda: "in another" in names(customerio))
            assert "an unknown number of records" in source(store)["missed"]
    assert "deleted" not in names(customerio)


def test_a_topic_that_is_too_small_for_events_is_not_used(
    store: Store, customerio: Running, topic: str, admin: AdminClient
) -> None:
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    token = connected(store, customerio)
    said = hogline(store.folder / "looking", "store", "create", code=1).stderr
    assert "max.message.bytes" in said
    with store.serving("a", "receive") as receiver:
        assert send(receiver, token, "early") == 503
        changed = ConfigEntry("max.message.bytes", "5000000", incremental_operation=AlterConfigOpType.SET)
        config = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[changed])
        for done in admin.incremental_alter_configs([config]).values():
            done.result(30)
        until(lambda: send(receiver, token, "late") == 200)


def test_a_user_who_may_not_write_is_told_and_can_be_allowed(
    store: Store, customerio: Running, broker: Broker, topic: str, admin: AdminClient
) -> None:
    def allow(*operations: AclOperation) -> None:
        who = f"User:{broker.USER}", "*"
        where = ResourceType.TOPIC, topic, ResourcePatternType.LITERAL
        bindings = [AclBinding(*where, *who, one, AclPermissionType.ALLOW) for one in operations]
        for done in admin.create_acls(bindings).values():
            done.result(30)

    hogline(store.folder / "looking", "store", "create")
    token = connected(store, customerio)
    settings = store.folder / "kafka.properties"
    settings.write_text("".join(f"{name}={value}\n" for name, value in broker.sasl.items()))
    store.env |= {"HOGLINE_JOURNAL": f"kafka://{broker.sasl_address}/{topic}", "HOGLINE_KAFKA": str(settings)}
    allow(AclOperation.DESCRIBE, AclOperation.READ)
    with store.serving("a", "receive") as receiver, store.serving("owner", "deliver"):
        for _ in range(2):
            assert send(receiver, token, "not allowed") == 503
        until(lambda: source(store)["state"] == "reading")
        allow(AclOperation.WRITE)
        until(lambda: send(receiver, token, "allowed") == 200)
        until(lambda: "allowed" in names(customerio))
        assert receiver.stop() == 0
    assert "not allowed" not in names(customerio)


@pytest.fixture
def server() -> Iterator[Server]:
    with private() as made:
        yield made


def test_what_postgresql_loses_is_taken_again(
    store: Store, server: Server, customerio: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(everywhere, "HOGLINE_STORE", server.url("postgres"))
    store.env["HOGLINE_STORE"] = server.url("postgres")
    token = connected(store, customerio)
    standby = server.folder / "standby"
    looking = store.folder / "looking"
    with store.serving("r", "receive") as receiver, store.serving("a", "deliver"):

        def receive(kind: str) -> None:
            some = [{"event": f"{kind} {n}", "distinct_id": f"{kind}-{n}"} for n in range(100)]
            assert post(f"{receiver.url}/batch", {"api_key": token, "batch": some}, token) == 200

        def delivered(kind: str) -> bool:
            return {f"{kind} {n}" for n in range(100)} <= names(customerio)

        receive("early")
        until(lambda: delivered("early"))
        server.stop()
        server.fork(standby)
        server.start()
        until(lambda: status(looking)["pending"] == 0)
        receive("lost")
        until(lambda: delivered("lost"))
        server.fail_over(standby)
        receive("late")
        until(lambda: delivered("late"))
        until(lambda: status(looking)["delivered"] == 300)
        assert status(looking)["received"] == 300
