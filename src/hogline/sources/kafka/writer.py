"""Puts received events into a topic of Kafka, where they wait for the process that owns the store (`HOGLINE_JOURNAL`).

All go into one partition, so their order there is the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import msgspec
import structlog

from hogline.sources.kafka.library import Library, Settings
from hogline.sources.kafka.log import Trouble
from hogline.store.base import Unwritable
from hogline.telemetry.internal_errors import kind_and_place

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer
    from confluent_kafka.admin import AdminClient

log = structlog.get_logger("hogline.kafka")

PARTITION = 0
WITHIN_S = 5.0
AGAIN_S = 1.0
POLL_S = 0.2
RECORD_BYTES = 4 * 1024 * 1024
"""An event has about a megabyte at most (`posthog.weight`). Packed, it may have a little more."""
_OURS: dict[str, object] = {
    "acks": "all",
    "allow.auto.create.topics": False,  # with a broker's own settings
    "enable.idempotence": True,
    "message.timeout.ms": int(WITHIN_S * 1_000),
    "message.max.bytes": RECORD_BYTES,
    "queue.buffering.max.messages": 1_000_000,  # the budget of what is received is the limit
    "log_level": 0,
}
_PREFERRED = {"linger.ms": 2, "compression.type": "lz4"}
_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # Hogline deletes what it has taken
    "retention.bytes": "-1",
    "segment.ms": "3600000",  # what is deleted leaves the disk in whole segments
    "max.message.bytes": str(RECORD_BYTES),
    "message.timestamp.type": "LogAppendTime",
}
AWAY = "Kafka does not take events now. Send this again later."
"""Senders need not know more: the log, `/readyz` and the console say why."""
NOTHING = b"{}"
"""A record that says nothing (`entries`): whether Kafka takes it shows whether it takes events."""
FULL = "Events arrive faster than Kafka takes them. Send this again later."

_json = msgspec.json.Encoder().encode


class KafkaWriter:
    """Implements `store.base.Appender`. The position that it returns is always 0: an event gets one in the store."""

    def __init__(self, brokers: str, topic: str, settings: Settings, *, check_within_s: float = WITHIN_S) -> None:
        """`brokers`: such as kafka:9092, several with commas. `check_within_s`: how long to wait for the topic's
        configuration. Create it in the running event loop. Raises `Trouble` if the settings cannot be used."""
        self.trouble: str | None = None
        """Why nothing can be written now."""
        self._library = library = Library(brokers, topic, settings, "written to")
        self._loop = asyncio.get_running_loop()
        self._watching: asyncio.Task[None] | None = None
        self._over = False
        self._check_within_s = check_within_s
        self._polling: list[Thread] = []
        self._has_ended = False
        """After a fatal error, a producer takes nothing more."""
        try:
            self._admin: AdminClient = library.admin.AdminClient(_without_group(library.shared))
            producer = self._made()
        except (library.kafka.KafkaException, ValueError, TypeError) as error:
            raise library.not_accepted(error) from None
        self._begin(producer)

    def _made(self) -> Producer:
        made: Producer = self._library.kafka.Producer({**_PREFERRED, **_without_group(self._library.shared), **_OURS})
        return made

    def _begin(self, producer: Producer) -> None:
        """From now on, events go through this one."""
        self._producer, self._has_ended = producer, False
        thread = Thread(target=self._poll, args=(producer,), name="kafka-writer", daemon=True)
        self._polling = [*(one for one in self._polling if one.is_alive()), thread]
        thread.start()

    async def open(self) -> None:
        """Create the topic if it is not there. If that is not possible now, try again until it is."""
        try:
            await asyncio.to_thread(self.create)
        except Trouble as trouble:
            self._wait(str(trouble))

    def create(self) -> None:
        """Create the topic if it is not there. Blocks. Raises `Trouble`."""
        library = self._library
        try:
            # Asked for one topic, a broker may create it, with its own settings.
            if library.topic not in self._admin.list_topics(timeout=WITHIN_S).topics:
                self._create()
        except library.kafka.KafkaException as error:
            raise self._trouble(error.args[0]) from None
        self._check()

    def _create(self) -> None:
        library, codes = self._library, self._library.codes
        new = library.admin.NewTopic(library.topic, num_partitions=1, replication_factor=-1, config=_CONFIG)
        try:
            self._admin.create_topics([new], request_timeout=WITHIN_S)[library.topic].result()
        except library.kafka.KafkaException as error:
            code = error.args[0].code()
            if code in {codes.TOPIC_AUTHORIZATION_FAILED, codes.CLUSTER_AUTHORIZATION_FAILED}:
                raise Trouble(
                    f"Kafka has no topic named {library.topic}, or does not let this user see or create it. Create it "
                    "as docs/scale.md says."
                ) from None
            if code != codes.TOPIC_ALREADY_EXISTS:
                raise

    def _check(self) -> None:
        """Whether events fit, and stay. Raises `Trouble`."""
        library = self._library
        resource = library.admin.ConfigResource(library.admin.ConfigResource.Type.TOPIC, library.topic)
        # It may not be allowed to look, and some brokers tell less.
        with suppress(library.kafka.KafkaException, KeyError, TypeError, ValueError):
            (asked,) = self._admin.describe_configs([resource], request_timeout=self._check_within_s).values()
            config = asked.result()
            if (kept_ms := int(config["retention.ms"].value)) >= 0:
                log.warning("Kafka deletes events that wait too long: set retention.ms to -1", retention_ms=kept_ms)
            most = int(config["max.message.bytes"].value)
            if most < RECORD_BYTES:
                raise Trouble(
                    f"The topic {library.topic} takes records of up to {most:,} bytes only, and an event can be larger."
                    f" Set its max.message.bytes to {RECORD_BYTES}."
                )

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        values = [*events, _json(refused)] if refused else events
        if not values:
            return 0
        if self.trouble is not None:
            raise Unwritable(AWAY)
        try:
            await self._put(values)
        except Trouble as trouble:
            raise self._wait(str(trouble)) from None
        return 0

    async def _put(self, values: Sequence[bytes]) -> None:
        """Kafka has them when it returns. Raises `Trouble`; `Unwritable` if too many wait already."""
        call = _Call(len(values), self._loop)
        produce, topic, library = self._producer.produce, self._library.topic, self._library
        try:
            for value in values:
                produce(topic, value, partition=PARTITION, on_delivery=call.delivered)
        except BufferError:
            raise Unwritable(FULL) from None
        except library.kafka.KafkaException as error:
            raise library.trouble(error.args[0]) from None
        if (failed := await call.over) is not None:
            raise library.trouble(failed)
        library.works()

    def _trouble(self, error: KafkaError) -> Trouble:
        self._admin.poll(0)  # so that the library hears why
        return self._library.trouble(error)

    def _wait(self, trouble: str) -> Unwritable:
        """Take nothing until Kafka can be used again. Returns what senders are told."""
        if self.trouble is None:
            log.warning("Kafka cannot be used", reason=trouble)
            self.trouble = trouble
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="kafka")
        return Unwritable(AWAY)

    async def _watch(self) -> None:
        while self.trouble is not None:
            await asyncio.sleep(AGAIN_S)
            try:
                await asyncio.to_thread(self.create)
                if self._has_ended:
                    self._begin(self._made())
                await self._put([NOTHING])
            except (Trouble, Unwritable) as trouble:
                self.trouble = str(trouble)
            except Exception as error:  # whatever it is, it is tried again
                self.trouble = f"Internal error ({kind_and_place(error)})."
            else:
                self.trouble = None
                log.info("Kafka can be used again")

    def _poll(self, producer: Producer) -> None:
        """In a thread: hear what becomes of a producer's records, until it has ended."""
        fatal = self._library.kafka.KafkaException
        while not self._over:
            try:
                producer.poll(POLL_S)
            except fatal as error:
                trouble = self._library.ended(error.args[0])
                self._loop.call_soon_threadsafe(self._end, str(trouble))
                break
        with suppress(fatal):
            producer.flush(WITHIN_S)

    def _end(self, trouble: str) -> None:
        self._has_ended = True
        self._wait(trouble)

    async def close(self) -> None:
        """What was not answered by then is not kept, as far as its sender knows."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._over = True
        for thread in self._polling:
            await asyncio.to_thread(thread.join)


class _Call:
    """The records of one call of `append`, until Kafka has them all."""

    def __init__(self, records: int, loop: asyncio.AbstractEventLoop) -> None:
        self.over: asyncio.Future[KafkaError | None] = loop.create_future()
        self._loop = loop
        self._left = records
        self._error: KafkaError | None = None

    def delivered(self, error: KafkaError | None, _message: Message) -> None:
        """In the thread that polls."""
        self._left -= 1
        self._error = error or self._error
        if not self._left:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(self._error)


def _without_group(settings: Mapping[str, object]) -> dict[str, object]:
    """A producer has none, and librdkafka warns of it."""
    return {name: value for name, value in settings.items() if name != "group.id"}
