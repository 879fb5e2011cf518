"""A topic's log at a real Kafka.

The consumer is no member of a group: it chooses its partitions itself, so no broker takes them away while it waits.
Where to go on is not asked of Kafka either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hogline.sources.kafka.library import Library, Settings
from hogline.sources.kafka.log import Described, End, Ends, Moved, Record, Seen, Trouble

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
    from confluent_kafka.admin import AdminClient

TOPIC = "clickhouse_events_json"
GROUP = "hogline"
WITHIN_S = 5.0
QUEUED_KIB = 8_192
"""Read ahead and not asked for yet. It reads in the background."""
PARTITION_BYTES = 512 * 1024
_OURS: dict[str, object] = {
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "fetch.max.bytes": QUEUED_KIB * 1024,
    "max.partition.fetch.bytes": PARTITION_BYTES,
    "queued.max.messages.kbytes": QUEUED_KIB,
    "log_level": 0,
}


class KafkaLog:
    """Implements `log.Log`. Raises `Trouble` if the settings cannot be used; it connects with the first call."""

    def __init__(self, brokers: str, topic: str, settings: Settings, *, id_within_s: float = WITHIN_S) -> None:
        """As `Library`. `id_within_s`: how long to wait for the topic's id."""
        self._library = library = Library(brokers, topic, settings, "read")
        self._kafka, self._codes, self._topic = library.kafka, library.codes, topic
        self._id_within_s = id_within_s
        self._early: list[Message] = []
        """What comes next, got while nobody was reading."""
        shared = library.shared.copy()
        group = str(shared.pop("group.id", GROUP))
        try:
            self._consumer: Consumer = library.kafka.Consumer({**shared, **_OURS, "group.id": group})
            self._admin: AdminClient = library.admin.AdminClient(shared)
        except (library.kafka.KafkaException, ValueError, TypeError) as error:
            raise library.not_accepted(error) from None

    def _trouble(self, error: KafkaError) -> Trouble:
        message = self._consumer.poll(0)  # so that the library hears why
        if message is not None:  # it is not given again
            self._early.append(message)
        return self._library.trouble(error)

    def look(self) -> Seen:
        try:
            found = self._consumer.list_topics(self._topic, timeout=WITHIN_S).topics[self._topic]
            if found.error is not None:
                raise self._trouble(found.error)
            if not found.partitions:
                raise Trouble(f"Kafka has no topic named {self._topic}.")
        except self._kafka.KafkaException as error:
            raise self._trouble(error.args[0]) from None
        return Seen(self._id(), sorted(found.partitions))

    def describe(self) -> Described:
        seen = self.look()
        try:
            ends = {
                partition: Ends(*self._consumer.get_watermark_offsets(self._at(partition), timeout=WITHIN_S))
                for partition in seen.partitions
            }
        except self._kafka.KafkaException as error:
            raise self._trouble(error.args[0]) from None
        return Described(seen.id, ends)

    def _id(self) -> str:
        """Brokers that are not Apache Kafka may not know it."""
        topics = self._kafka.TopicCollection([self._topic])
        try:
            found = self._admin.describe_topics(topics, request_timeout=self._id_within_s)[self._topic].result()
        except self._kafka.KafkaException:
            return ""
        told = str(found.topic_id)
        return "" if set(told) <= {"A", "="} else told  # all zeros

    def _at(self, partition: int, offset: int = -1) -> TopicPartition:
        at: TopicPartition = self._kafka.TopicPartition(self._topic, partition, offset)
        return at

    def offsets_at(self, time_ms: int) -> dict[int, int]:
        try:
            partitions = self.describe().partitions
            asked = [self._at(partition, time_ms) for partition in partitions]
            found = self._consumer.offsets_for_times(asked, timeout=WITHIN_S)
        except self._kafka.KafkaException as error:
            raise self._trouble(error.args[0]) from None
        return {one.partition: one.offset if one.offset >= 0 else partitions[one.partition].next for one in found}

    def read_from(self, offsets: Mapping[int, int]) -> None:
        self._early.clear()
        self._consumer.assign([self._at(partition, offset) for partition, offset in offsets.items()])
        self.resume(offsets.keys())  # librdkafka keeps them paused

    def read(self, most: int, within_s: float) -> Sequence[Record | End]:
        try:
            # Asked for several, it waits until all are there.
            found = self._early or self._consumer.consume(1, within_s)
            self._early = []
            if found and most > len(found):
                found += self._consumer.consume(most - len(found), 0)
        except self._kafka.KafkaException as error:
            raise self._trouble(error.args[0]) from None
        records = map(self._record, found)
        return [one for one in records if one is not None]

    def _record(self, message: Message) -> Record | End | None:
        """None: it says something that does not matter."""
        codes, error, partition = self._codes, message.error(), message.partition()
        if error is None:
            self._library.works()
            offset = message.offset()
            assert partition is not None
            assert offset is not None
            return Record(partition, offset, max(message.timestamp()[1], 0), message.value())
        if error.code() == codes._PARTITION_EOF:  # noqa: SLF001
            assert partition is not None
            return End(partition)
        if error.code() in {codes._AUTO_OFFSET_RESET, codes._LOG_TRUNCATION, codes.UNKNOWN_TOPIC_ID}:  # noqa: SLF001
            raise Moved
        if error.code() == codes.GROUP_AUTHORIZATION_FAILED:  # only `note` needs the group
            return None
        raise self._trouble(error)

    def pause(self, partitions: Collection[int]) -> None:
        self._consumer.pause([self._at(partition) for partition in partitions])

    def resume(self, partitions: Collection[int]) -> None:
        self._consumer.resume([self._at(partition) for partition in partitions])

    def behind(self, offsets: Mapping[int, int]) -> int:
        behind = 0
        for partition, offset in offsets.items():
            with suppress(self._kafka.KafkaException):
                _, last = self._consumer.get_watermark_offsets(self._at(partition), cached=True)
                behind += max(last - offset, 0)
        return behind

    def note(self, offsets: Mapping[int, int]) -> None:
        with suppress(self._kafka.KafkaException):
            noted = [self._at(partition, offset) for partition, offset in offsets.items()]
            self._consumer.commit(offsets=noted, asynchronous=True)

    def drop(self, offsets: Mapping[int, int]) -> None:
        asked = [self._at(partition, offset) for partition, offset in offsets.items()]
        try:
            for done in self._admin.delete_records(asked, request_timeout=WITHIN_S).values():
                done.result()
        except self._kafka.KafkaException as error:
            raise self._trouble(error.args[0]) from None

    def close(self) -> None:
        self._consumer.close()
